"""Setup and simulated venue of the bots benchmark. `python -m benchmarks.bots_setup`

Migrates the given database, reads `{"bots", "instruments", "rate"}`, creates the bots and reports it. `{"start"}`
starts them; reports when all run and every order is open. Then it accepts, modifies, cancels and fills orders
through the services that the execution worker calls.
"""

import itertools
import select
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import django
import orjson

from benchmarks.bots_feed import PRICE, VENUE, WIDTH, candles, symbols

BOTS_PER_WALLET = 5
START_BATCH_SIZE = 50
MONEY, BUDGET = Decimal(1_000_000_000), Decimal(10_000)
WARM_CANDLES = 120  # candles
VALIDITY = 60_000
RENEW_SECONDS = 3.0
TIMEOUT_SECONDS = 600.0
MAX_PENDING_AGE = timedelta(seconds=10)
PAUSE = 0.05
WITHOUT_PAUSES = {"pause_volatility": "100", "pause_trend": "100"}
LINES = {"lower": "45000", "upper": "55000", "cells": "20", "direction": "neutral"}


class BotSetup:
    """Wallets leased by this process, and their bots."""

    def __init__(self, bots: int, instruments: int) -> None:
        from core import leases
        from market.models import Candle, Instrument, Venue

        venue = Venue.objects.create(name=VENUE, title="Simulator", simulated=True)
        rows = [
            Instrument.objects.create(
                venue=venue, symbol=symbol, kind="perp", base=symbol, quote="USDC", size_step=Decimal("0.00001"),
                tick_size=Decimal("0.1"), min_notional=10, max_leverage=40,
            )
            for symbol in symbols(instruments)
        ]  # fmt: skip
        prices = dict.fromkeys(symbols(instruments), PRICE)
        first = (int(time.time() * 1000) // WIDTH - WARM_CANDLES) * WIDTH
        Candle.objects.bulk_create(candles(rows, prices, first, WARM_CANDLES))
        self._worker = leases.worker_register(channel="wallets-execution")
        threading.Thread(target=self._renew_forever, daemon=True).start()
        self._numbers = itertools.count(1)
        self._claims: dict[Any, Any] = {}
        self._bots = list(self._bots_create(venue, bots, symbols(instruments)))

    def _bots_create(self, venue: Any, count: int, names: list[str]) -> Iterator[tuple[Any, Any]]:
        from django.contrib.auth import get_user_model

        user = wallet = None
        for number in range(count):
            if number % BOTS_PER_WALLET == 0:
                user = get_user_model().objects.create_user(f"bench-{number}@example.org")
                wallet = self._wallet(user, venue, number)
            yield user, self._bot(user, wallet, names[number % len(names)], number)

    def _wallet(self, user: Any, venue: Any, number: int) -> Any:
        from core import leases
        from market.domain.orders import VenueMovement
        from wallets import services
        from wallets.models import Wallet

        wallet = Wallet.objects.create(
            user=user, venue=venue, label="bench", status="active", address=f"0x{number:040x}",
            max_order_notional=MONEY, max_daily_notional=MONEY * 1000, max_position_notional=MONEY,
            orders_per_minute=100_000_000,
        )  # fmt: skip
        (claim,) = leases.claim(Wallet, self._worker)
        self._claims[wallet.pk] = claim
        money = VenueMovement("1", "deposit", (("perp", "USDC", MONEY),), Decimal(0), "USDC", 1)
        services.account_events_apply(claim=claim, facts=[money])
        return wallet

    def _bot(self, user: Any, wallet: Any, symbol: str, number: int) -> Any:
        from bots import services
        from bots.domain.requests import BotRequest

        strategy, inputs = ("grid", LINES) if number % 4 == 3 else ("as-grid", WITHOUT_PAUSES)
        request = BotRequest(uuid.uuid4(), wallet.pk, symbol, strategy, BUDGET, inputs)
        return services.bot_create(user=user, request=request).pk

    def start(self) -> None:
        """Start the bots in batches, and wait until each batch runs. Raises `TimeoutError`."""
        from bots import services

        deadline = time.monotonic() + TIMEOUT_SECONDS
        for first in range(0, len(self._bots), START_BATCH_SIZE):
            for user, bot in self._bots[first : first + START_BATCH_SIZE]:
                services.bot_start(user=user, bot_id=bot)
            while not self._is_settled(min(first + START_BATCH_SIZE, len(self._bots))):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the bots did not settle within {TIMEOUT_SECONDS:g} s")
                self.step()

    def _is_settled(self, started: int) -> bool:
        """Whether every started bot runs and no order has been pending for long."""
        from django.utils import timezone

        from bots.models import Bot
        from wallets.models import Order

        before = timezone.now() - MAX_PENDING_AGE
        waiting = Order.objects.filter(status="pending", created_at__lt=before).exists()
        return not waiting and Bot.objects.filter(status="running").count() == started

    # --- the venue ---------------------------------------------------------------------------------
    def step(self) -> None:
        """Execute pending orders and cancels, and fill orders that the price has crossed."""
        from wallets.models import Order

        pending = Order.objects.filter(status="pending") | Order.objects.filter(
            cancel_requested_at__isnull=False, cancel_submission=None, ended_at=None
        )
        for wallet in set(pending.values_list("wallet", flat=True)):
            self._execute(self._claims[wallet])
        self._cross()

    def _execute(self, claim: Any) -> None:
        from market.domain.orders import Accepted
        from wallets import services

        now = int(time.time() * 1000)
        prepared = [
            *services.cancels_prepare(claim=claim, now=now, most=100),
            *services.orders_prepare(claim=claim, now=now, validity=VALIDITY, most=100),
        ]
        for submission in prepared:
            answers = [
                Accepted(None if submission.kind == "cancel" else str(next(self._numbers)))
                for _ in submission.order_ids
            ]
            services.submission_answered(claim=claim, submission_id=submission.submission_id, answers=answers)
            removed = submission.cancels or [change.target for change in submission.changes]
            services.account_events_apply(claim=claim, facts=list(_ended(claim, removed, now)))

    def _renew_forever(self) -> None:
        """Renew the lease, in a thread: it must not expire when the machine is busy."""
        from core import leases

        while True:
            leases.worker_renew(self._worker)
            time.sleep(RENEW_SECONDS)  # noqa: TID251  a worker would wait in its loop

    def _cross(self) -> None:
        from django.db.models import F, Q

        from market.domain.orders import VenueFill
        from market.selectors import ticks_of
        from wallets import services
        from wallets.models import Order

        now = int(time.time() * 1000)
        crossed = Q()
        for symbol, tick in ticks_of(VENUE).items():
            instrument_filter = Q(instrument__symbol=symbol)
            crossed |= instrument_filter & (
                Q(side="buy", price__gte=tick["ask"]) | Q(side="sell", price__lte=tick["bid"])
            )
        for order in Order.objects.filter(crossed, status="open", filled__lt=F("size")).select_related(
            "instrument"
        ):
            side: Any = order.side
            fill = VenueFill(
                symbol=order.instrument.symbol, side=side, price=order.price, size=order.size, time=now,
                venue_id=order.venue_order_id, trade_id=str(next(self._numbers)),
                client_id=order.venue_client_id, fees=(), closed_pnl=Decimal(0),
                taker=False,
            )  # fmt: skip
            services.account_events_apply(claim=self._claims[order.wallet_id], facts=[fill])


def _ended(claim: Any, targets: Any, now: int) -> Iterator[Any]:
    from market.domain.orders import VenueOrder
    from wallets.models import Order

    for target in targets:
        by = {"venue_order_id": target.venue_id} if target.venue_id else {"venue_client_id": target.client_id}
        order = Order.objects.select_related("instrument").get(wallet=claim.pk, **by)
        fields: dict[str, Any] = {
            name: getattr(order, name) for name in ("side", "kind", "tif", "price", "size")
        }
        yield VenueOrder(
            **fields, symbol=order.instrument.symbol, remaining=order.size, venue_id=order.venue_order_id,
            client_id=order.venue_client_id, status="cancelled", raw_status="canceled", time=now,
            status_time=now,
        )  # fmt: skip


def _pause() -> None:
    time.sleep(PAUSE)  # noqa: TID251  other processes do the work


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    params = orjson.loads(sys.stdin.buffer.readline())
    setup = BotSetup(params["bots"], params["instruments"])
    _write_message({"made": True})
    while not select.select([sys.stdin], [], [], 0)[0]:
        setup.step()
        _pause()
    sys.stdin.buffer.readline()
    setup.start()
    _write_message({"started": True})
    while True:
        setup.step()
        _pause()


def _write_message(message: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(message).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
