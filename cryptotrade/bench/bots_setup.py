"""Bots to be started, and a venue that takes their orders. `python -m cryptotrade.bench.bots_setup`

Migrates the database that it is given, reads `{"bots", "instruments", "rate"}` and says so once they are
made; `{"start"}` starts them and says so once all run and every order rests. It then goes on to accept,
to move, to cancel, and to fill what the price has crossed, through the services that `execution` calls.
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

from cryptotrade.bench.bots_feed import PRICE, VENUE, WIDTH, candles, symbols

BOTS_A_WALLET = 5
STARTED_AT_ONCE = 50
MONEY, BUDGET = Decimal(1_000_000_000), Decimal(10_000)
WARM = 120  # candles
VALIDITY = 60_000
RENEW_SECONDS = 3.0
PATIENCE = 600.0
LONG = timedelta(seconds=10)
PAUSE = 0.05
WITHOUT_PAUSES = {"pause_volatility": "100", "pause_trend": "100"}
LINES = {"lower": "45000", "upper": "55000", "cells": "20", "direction": "neutral"}


class World:
    """Wallets under our lease, and their bots."""

    def __init__(self, bots: int, instruments: int) -> None:
        from market import leases
        from market.models import Candle, Instrument, Venue

        venue = Venue.objects.create(name=VENUE, title="Simulator", simulated=True)
        made = [
            Instrument.objects.create(
                venue=venue, symbol=symbol, kind="perp", base=symbol, quote="USDC", size_decimals=5,
                price_decimals=1, min_notional=10, max_leverage=40,
            )
            for symbol in symbols(instruments)
        ]  # fmt: skip
        prices = dict.fromkeys(symbols(instruments), PRICE)
        first = (int(time.time() * 1000) // WIDTH - WARM) * WIDTH
        Candle.objects.bulk_create(candles(made, prices, first, WARM))
        self._worker = leases.worker_register(channel="wallets-execution")
        threading.Thread(target=self._renew_forever, daemon=True).start()
        self._numbers = itertools.count(1)
        self._claims: dict[Any, Any] = {}
        self._bots = list(self._make(venue, bots, symbols(instruments)))

    def _make(self, venue: Any, count: int, names: list[str]) -> Iterator[tuple[Any, Any]]:
        from django.contrib.auth import get_user_model

        user = wallet = None
        for number in range(count):
            if number % BOTS_A_WALLET == 0:
                user = get_user_model().objects.create_user(f"bench-{number}@example.org")
                wallet = self._wallet(user, venue, number)
            yield user, self._bot(user, wallet, names[number % len(names)], number)

    def _wallet(self, user: Any, venue: Any, number: int) -> Any:
        from market import leases
        from market.domain.orders import VenueMovement
        from wallets import services
        from wallets.models import Wallet

        wallet = Wallet.objects.create(
            user=user, venue=venue, label="bench", status="active", address=f"0x{number:040x}",
            max_order_notional=MONEY, max_day_notional=MONEY * 1000, max_position_notional=MONEY,
            orders_per_minute=100_000_000,
        )  # fmt: skip
        (claim,) = leases.claim(Wallet, self._worker)
        self._claims[wallet.pk] = claim
        money = VenueMovement("1", "deposit", (("perp", "USDC", MONEY),), Decimal(0), "USDC", 1)
        services.facts_apply(claim=claim, facts=[money])
        return wallet

    def _bot(self, user: Any, wallet: Any, symbol: str, number: int) -> Any:
        from bots import services
        from bots.domain.requests import BotRequest

        strategy, inputs = ("grid", LINES) if number % 4 == 3 else ("as-grid", WITHOUT_PAUSES)
        request = BotRequest(uuid.uuid4(), wallet.pk, symbol, strategy, BUDGET, inputs)
        return services.bot_create(user=user, request=request).pk

    def start(self) -> None:
        """Some at a time, each time until they run. Raises `TimeoutError`."""
        from bots import services

        deadline = time.monotonic() + PATIENCE
        for first in range(0, len(self._bots), STARTED_AT_ONCE):
            for user, bot in self._bots[first : first + STARTED_AT_ONCE]:
                services.bot_start(user=user, bot_id=bot)
            while not self._is_settled(min(first + STARTED_AT_ONCE, len(self._bots))):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the bots did not settle within {PATIENCE:g} s")
                self.turn()

    def _is_settled(self, started: int) -> bool:
        """Every bot runs, and no order has waited for long."""
        from django.utils import timezone

        from bots.models import Bot
        from wallets.models import Order

        before = timezone.now() - LONG
        waiting = Order.objects.filter(status="pending", created_at__lt=before).exists()
        return not waiting and Bot.objects.filter(status="running").count() == started

    # --- the venue ---------------------------------------------------------------------------------
    def turn(self) -> None:
        """Whatever was asked for is done, and what the price has crossed is filled."""
        from wallets.models import Order

        asked = Order.objects.filter(status="pending") | Order.objects.filter(
            cancel_asked_at__isnull=False, cancel_submission=None, ended_at=None
        )
        for wallet in set(asked.values_list("wallet", flat=True)):
            self._carry_out(self._claims[wallet])
        self._cross()

    def _carry_out(self, claim: Any) -> None:
        from market.domain.orders import Accepted
        from wallets import services

        now = int(time.time() * 1000)
        prepared = [
            *services.cancels_take(claim=claim, now=now, most=100),
            *services.orders_take(claim=claim, now=now, validity=VALIDITY, most=100),
        ]
        for one in prepared:
            answers = [
                Accepted(None if one.kind == "cancel" else str(next(self._numbers))) for _ in one.order_ids
            ]
            services.settled(claim=claim, submission_id=one.submission_id, answers=answers)
            gone = one.cancels or [change.target for change in one.changes]
            services.facts_apply(claim=claim, facts=list(_ended(claim, gone, now)))

    def _renew_forever(self) -> None:
        """In a thread: a machine with other work must not cost us the wallets."""
        from market import leases

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
            here = Q(instrument__symbol=symbol)
            crossed |= here & (Q(side="buy", price__gte=tick["ask"]) | Q(side="sell", price__lte=tick["bid"]))
        for order in Order.objects.filter(crossed, status="open", filled__lt=F("size")).select_related(
            "instrument"
        ):
            side: Any = order.side
            fill = VenueFill(
                symbol=order.instrument.symbol, side=side, price=order.price, size=order.size, time=now,
                venue_id=order.venue_order_id, trade_id=str(next(self._numbers)),
                client_id=order.venue_client_id, fee=Decimal(0), fee_asset="USDC", closed_pnl=Decimal(0),
                taker=False,
            )  # fmt: skip
            services.facts_apply(claim=self._claims[order.wallet_id], facts=[fill])


def _ended(claim: Any, targets: Any, now: int) -> Iterator[Any]:
    from market.domain.orders import VenueOrder
    from wallets.models import Order

    for target in targets:
        by = {"venue_order_id": target.venue_id} if target.venue_id else {"venue_client_id": target.client_id}
        order = Order.objects.select_related("instrument").get(wallet=claim.pk, **by)
        said: dict[str, Any] = {
            name: getattr(order, name) for name in ("side", "kind", "tif", "price", "size")
        }
        yield VenueOrder(
            **said, symbol=order.instrument.symbol, remaining=order.size, venue_id=order.venue_order_id,
            client_id=order.venue_client_id, status="cancelled", raw_status="canceled", time=now,
            status_time=now,
        )  # fmt: skip


def _pause() -> None:
    time.sleep(PAUSE)  # noqa: TID251  other processes do the work


def main() -> None:
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    asked = orjson.loads(sys.stdin.buffer.readline())
    world = World(asked["bots"], asked["instruments"])
    _say({"made": True})
    while not select.select([sys.stdin], [], [], 0)[0]:
        world.turn()
        _pause()
    sys.stdin.buffer.readline()
    world.start()
    _say({"started": True})
    while True:
        world.turn()
        _pause()


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(words).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
