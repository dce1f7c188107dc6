"""Address-based request limit: 10,000 requests, plus one per USDC of traded volume."""

from typing import Any

from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import Refused
from simulator.markets.numbers import decimal_text

BASE_REQUESTS = 10_000
MILLION = 1_000_000
EXPIRED_ACTION_COST = 5
OVER_CAP_INTERVAL = 10_000
CANCEL_TYPES = ("cancel", "cancelByCloid")
CANCEL_EXTRA_REQUESTS = 100_000
_BATCH_FIELDS = ("orders", "cancels", "modifies")


def batch_size(action: dict[str, Any]) -> int:
    """Number of orders in an action."""
    return max([1, *(len(action[name]) for name in _BATCH_FIELDS if isinstance(action.get(name), list))])


def ip_weight(action: Any) -> int:
    """Request weight of an action, charged to the client's IP address."""
    return 1 + batch_size(action) // 40 if isinstance(action, dict) else 1


def cap(account: Account) -> int:
    return BASE_REQUESTS + account.volume // MILLION + account.bought


def allow(exchange: Exchange, account: Account, action: dict[str, Any]) -> None:
    """Raise `Refused` over the cap, but allow one action per ten seconds; cancels have a cap of their own."""
    max_requests = cap(account)
    if action["type"] in CANCEL_TYPES:
        max_requests = min(max_requests + CANCEL_EXTRA_REQUESTS, 2 * max_requests)
    used = account.requests
    if not exchange.rules.address_requests or used < max_requests:
        return
    if exchange.now - account.last_request >= OVER_CAP_INTERVAL:
        return
    traded = decimal_text(account.volume // 10_000, 2)
    raise Refused(
        f"Too many cumulative requests sent ({used} > {max_requests}) for cumulative volume traded ${traded}. "
        "Place taker orders to free up 1 request per USDC traded."
    )


def spend(exchange: Exchange, account: Account, action: dict[str, Any], times: int = 1) -> None:
    account.requests += batch_size(action) * times
    account.last_request = exchange.now
    exchange.mark_dirty(account)
