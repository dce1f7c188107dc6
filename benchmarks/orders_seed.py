"""Setup of the orders benchmark: users, wallets, and bursts of orders. `python -m benchmarks.orders_seed`

Reads `{"users": n}` and writes the created users; then reads `{"burst": m}` and writes how fast m orders per user
were accepted by the venue.
"""

import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import django
import orjson

SYMBOL, VENUE = "BTC", "hyperliquid-sim"
BELOW = Decimal("0.97")  # far enough from the market to rest, within the price band
NOTIONAL = Decimal(20)
USDC = Decimal(100_000)
TIMEOUT_SECONDS = 240.0


@dataclass(frozen=True)
class Trader:
    """A user with a wallet and an API key."""

    user: Any
    wallet: uuid.UUID
    key: str


def traders_make(count: int) -> list[Trader]:
    """Create users with an API key and an active wallet each. Raises `TimeoutError`."""
    from django.contrib.auth import get_user_model

    from accounts.services import api_key_create
    from wallets import selectors, services

    traders = []
    for number in range(count):
        user = get_user_model().objects.create_user(f"bench-{number}@example.org")
        _, key = api_key_create(user=user, name="bench", scopes=["read", "trade"], days=1)
        wallet = services.simulated_account_open(user=user, client_id=uuid.uuid4(), usdc=USDC)
        traders.append(Trader(user, wallet.pk, key))
    _until(
        lambda: all(_is_open(selectors.wallet_get(trader.user, trader.wallet)) for trader in traders),
        "wallets open",
    )
    return traders


def _is_open(wallet: Any) -> bool:
    return wallet is not None and wallet.status == "active" and wallet.ledger_opened_at is not None


def order_of(user: Any) -> tuple[Decimal, Decimal]:
    """A price below the market and a valid size."""
    from market import selectors

    listed = selectors.instrument_get(VENUE, SYMBOL)
    assert listed is not None
    rules = selectors.instrument_rules(listed).rules
    price = rules.round_price(Decimal(selectors.ticks_of(VENUE)[SYMBOL]["bid"]) * BELOW, "down")
    return price, rules.round_size(NOTIONAL / price, "up")


def burst(traders: list[Trader], each: int) -> dict[str, Any]:
    """Place `each` orders per user in one transaction, and wait until the venue has accepted all."""
    from wallets import services
    from wallets.domain.requests import OrderRequest
    from wallets.models import Order

    price, size = order_of(traders[0].user)
    order_ids: list[Any] = []
    began = time.monotonic()
    for trader in traders:
        requests = [
            OrderRequest(uuid.uuid4(), VENUE, SYMBOL, "buy", "limit", size, price) for _ in range(each)
        ]
        placed = services.orders_place(
            user=trader.user, wallet_id=trader.wallet, requests=requests, origin="api"
        )
        order_ids += [order.pk for order in placed if isinstance(order, Order)]
    rows = Order.objects.filter(pk__in=order_ids)
    _until(lambda: rows.filter(accepted_at__isnull=False).count() == len(order_ids), "orders accepted")
    return {"requests": len(order_ids), "orders_per_s": round(len(order_ids) / (time.monotonic() - began), 1)}


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {TIMEOUT_SECONDS:g} s")
        time.sleep(0.05)  # noqa: TID251  other processes do the work


def main() -> None:
    django.setup()
    traders = traders_make(_read_message()["users"])
    price, size = order_of(traders[0].user)
    order = {"symbol": SYMBOL, "price": str(price), "size": str(size)}
    _write_message(
        {"users": [{"key": trader.key, "wallet": str(trader.wallet), **order} for trader in traders]}
    )
    while message := _read_message():
        _write_message(burst(traders, message["burst"]))


def _read_message() -> Any:
    line = sys.stdin.readline()
    return orjson.loads(line) if line else None


def _write_message(message: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
