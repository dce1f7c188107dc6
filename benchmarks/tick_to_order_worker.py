"""Worker process of the tick-to-order benchmark. `python -m benchmarks.tick_to_order_worker`

Reads `{"seconds"}`, writes one JSON document of rows.
"""

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import django
import orjson

from benchmarks.captures import START, CaptureVenue
from benchmarks.report import Histogram

SYMBOL, FRAMES, VALIDITY = "BTC", 4_000, 5_000
SIZE = Decimal("0.001")
Step = Callable[[bytes], bytes | None]


def measure(name: str, frames: list[bytes], step: Step, seconds: float) -> dict[str, Any]:
    """Measure complete passes over the frames until `seconds` of CPU were used; frames without an order do not count."""
    cpu = orders = 0
    times = Histogram()
    while cpu < seconds * 1e9:
        began_cpu = time.process_time_ns()
        for frame in frames:
            began = time.perf_counter_ns()
            body = step(frame)
            if body is not None:
                times.add(time.perf_counter_ns() - began)
                orders += 1
        cpu += time.process_time_ns() - began_cpu
    p50, p99 = times.percentiles((0.5, 0.99))
    return {
        "name": name,
        "requests": orders,
        "p50_us": round(1000 * (p50 or 0)),
        "p99_us": round(1000 * (p99 or 0)),
        "cpu_us": round(cpu / orders / 1000, 1),
    }


def our_step(venue: CaptureVenue, key: bytes) -> Step:
    """Step from a quote frame to a signed market order."""
    from benchmarks.feed_worker import _session
    from market.domain.events import Quote
    from market.domain.orders import OrderSpec
    from wallets.domain.requests import OrderRequest
    from wallets.domain.risk import Approved, check

    session = _session()
    instrument = next(row for row in venue.instruments() if row.symbol == SYMBOL)
    context = _risk_context()
    nonce = START

    def step(frame: bytes) -> bytes | None:
        nonlocal nonce
        quotes = [event for event in session.receive(frame, 0.0) if isinstance(event, Quote)]
        if not quotes or quotes[0].bid is None or quotes[0].ask is None:
            return None
        bid, ask = Decimal(quotes[0].bid), Decimal(quotes[0].ask)
        request = OrderRequest(uuid4(), "hyperliquid-sim", SYMBOL, "buy", "market", SIZE, tif="ioc")
        now = replace(context, bid=bid, ask=ask, exposure=replace(context.exposure, mark=(bid + ask) / 2))
        verdict = check(request, instrument, now)
        assert isinstance(verdict, Approved), verdict
        nonce += 1
        spec = OrderSpec(
            f"0x{request.client_id.hex}",
            SYMBOL,
            request.side,
            request.kind,
            request.tif,
            verdict.price,
            request.size,
        )
        return _signed(spec, key, nonce)

    return step


def _signed(spec: Any, key: bytes, nonce: int) -> bytes:
    """Sign the order as `market.venues.hyperliquid.exchange` does."""
    from market.venues.hyperliquid import order_actions, signing

    action = order_actions.place_action([spec], {SYMBOL: 0})
    connection = signing.action_hash(action, nonce, expires_after=nonce + VALIDITY)
    signature = signing.sign(signing.l1_digest(connection, "testnet"), key)
    return orjson.dumps(signing.envelope(action, nonce, signature, expires_after=nonce + VALIDITY))


def _risk_context() -> Any:
    """Risk context of a funded wallet with a position in another instrument."""
    from wallets.domain.risk_context import Exposure, RiskContext, TradingLimits
    from wallets.domain.status import TradingState

    money = Decimal(1_000_000)
    return RiskContext(
        state=TradingState.ACTIVE,
        wallet_status="active",
        limits=TradingLimits(money, money, money, 10, Decimal(10), 1_000_000),
        exposure=Exposure(),
        other_exposures=(Exposure(size=Decimal(1), cost=Decimal(3000), mark=Decimal(3100)),),
        available={("perp", "USDC"): money},
        cash=money,
        bid=None,
        ask=None,
        mark_age=100,
        orders_minute=1,
        open_orders=3,
        day_notional=Decimal(1000),
        taker_fee=Decimal("0.00045"),
    )


def sdk_step(key: bytes) -> Step:
    """Step of the official SDK: order to signature."""
    from eth_account import Account
    from hyperliquid.utils import signing
    from hyperliquid.utils.types import Cloid

    wallet = Account.from_key(key)
    nonce = START

    def step(frame: bytes) -> bytes | None:
        nonlocal nonce
        nonce += 1
        order: Any = {
            "coin": SYMBOL, "is_buy": True, "sz": 0.001, "limit_px": 100_000.0 + nonce % 1000,
            "order_type": {"limit": {"tif": "Ioc"}}, "reduce_only": False, "cloid": Cloid.from_int(nonce),
        }  # fmt: skip
        action = signing.order_wires_to_order_action([signing.order_request_to_order_wire(order, 0)])
        signature = signing.sign_l1_action(wallet, action, None, nonce, nonce + VALIDITY, is_mainnet=False)
        return orjson.dumps({"action": action, "nonce": nonce, "signature": signature})

    return step


def main() -> None:
    seconds = orjson.loads(sys.stdin.buffer.readline())["seconds"]
    django.setup()
    venue, key = CaptureVenue(time_scale=20), secrets.token_bytes(32)
    capture = venue.capture(FRAMES).only(frozenset({"bbo"}), "quotes")
    marker = f'"coin":"{SYMBOL}"'.encode()
    frames = [frame for batch in capture.batches for frame in batch if marker in frame]
    rows = [
        measure("cryptotrade", frames, our_step(venue, key), seconds),
        measure("sdk", frames, sdk_step(key), seconds),
    ]
    sys.stdout.buffer.write(orjson.dumps({"rows": rows}) + b"\n")


if __name__ == "__main__":
    main()
