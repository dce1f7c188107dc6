"""Chart data of bots: order and fill overlays, and the equity curve."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from bots.domain.codec import decode
from bots.domain.equity import Point, downsample, equity_curve, recent_equity
from bots.domain.ledger import LedgerFill
from bots.domain.snapshot import Snapshot
from bots.models import Bot
from bots.sdk import Level
from bots.selectors.bots import run_active
from bots.selectors.cards import BotCard
from market.domain.events import Side
from wallets.domain.status import LIVE
from wallets.selectors import source_fills, source_newest_fills, source_orders

MAX_FILLS = 200
MAX_ORDERS = 200


@dataclass(frozen=True, slots=True)
class ChartOverlay:
    """Chart overlay of a bot. `target` are levels without a live order; `orders` and `fills` are rows."""

    target: tuple[Level, ...]
    orders: list[object]
    fills: list[object]


def chart_overlay(bot: Bot) -> ChartOverlay:
    """The bot's target levels, live orders and newest fills."""
    orders = list(source_orders(bot.pk).filter(status__in=LIVE)[:MAX_ORDERS])
    live_levels = {order.provenance.get("level") for order in orders}
    run = run_active(bot)
    snapshot: Snapshot = decode(run.snapshot) if run else Snapshot()
    waiting = tuple(level for level in snapshot.target if level.id not in live_levels)
    return ChartOverlay(waiting, [*orders], [*source_fills(bot.pk)[:MAX_FILLS]])


SPARK_FILLS = 120
SPARK_POINTS = 40
CURVE_POINTS = 240


def equity_of(bot: Bot, mark: Decimal | None, now: int) -> list[Point]:
    """The bot's equity curve: at most 240 points, oldest first; empty before the first fill. `now` in ms."""
    fills = (fill_read(fill) for fill in source_fills(bot.pk).order_by("time", "pk").iterator())
    instrument = bot.instrument
    points = equity_curve(instrument.base, instrument.quote, fills, None if mark is None else (now, mark))
    return downsample(points, CURVE_POINTS)


def sparks_of(cards: Iterable[BotCard]) -> Mapping[UUID, list[Decimal]]:
    """Total PnL at the newest fills and now, by bot, for sparklines; one query."""
    cards = list(cards)
    fills: dict[UUID, list[LedgerFill]] = defaultdict(list)
    for fill in source_newest_fills([card.bot.pk for card in cards], SPARK_FILLS):
        if fill.order.source_id is not None:
            fills[fill.order.source_id].append(fill_read(fill))
    return {
        card.bot.pk: downsample(recent_equity(card.book, fills[card.bot.pk], card.mark), SPARK_POINTS)
        for card in cards
    }


def fill_read(fill: object) -> LedgerFill:
    """The ledger fill of `fill`, which is a row of the wallets app."""
    row: Any = fill
    return LedgerFill(
        ref=f"{row.order_id}:{row.trade_id}", side=cast("Side", row.side), price=row.price, size=row.size,
        fee=row.fee, fee_asset=row.fee_asset, time=row.time,
    )  # fmt: skip
