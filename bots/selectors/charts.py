"""Chart data of bots: order and fill overlays, and the equity curve."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from bots.domain.codec import decode
from bots.domain.equity import Point, curve, recent, thinned
from bots.domain.ledger import BotFill
from bots.domain.snapshot import Snapshot
from bots.models import Bot
from bots.sdk import Level
from bots.selectors.bots import run_active
from bots.selectors.cards import BotCard
from market.domain.events import Side
from wallets.domain.status import LIVE
from wallets.selectors import source_fills, source_orders, sources_fills_newest

FILLS_DRAWN = 200
ORDERS_DRAWN = 200


@dataclass(frozen=True, slots=True)
class Drawing:
    """`waiting` are levels that the strategy wants and that do not rest yet; rows of orders and fills."""

    waiting: tuple[Level, ...]
    orders: list[object]
    fills: list[object]


def drawing_of(bot: Bot) -> Drawing:
    orders = list(source_orders(bot.pk).filter(status__in=LIVE)[:ORDERS_DRAWN])
    resting = {order.why.get("level") for order in orders}
    run = run_active(bot)
    snapshot: Snapshot = decode(run.snapshot) if run else Snapshot()
    waiting = tuple(level for level in snapshot.wanted if level.id not in resting)
    return Drawing(waiting, [*orders], [*source_fills(bot.pk)[:FILLS_DRAWN]])


SPARK_FILLS = 120
SPARK_POINTS = 40
CURVE_POINTS = 240


def equity_of(bot: Bot, mark: Decimal | None, now: int) -> list[Point]:
    """At most 240 points, oldest first; empty before the first fill. `now` in ms."""
    fills = (fill_read(fill) for fill in source_fills(bot.pk).order_by("time", "pk").iterator())
    instrument = bot.instrument
    points = curve(instrument.base, instrument.quote, fills, None if mark is None else (now, mark))
    return thinned(points, CURVE_POINTS)


def sparks_of(cards: Iterable[BotCard]) -> Mapping[UUID, list[Decimal]]:
    """Total profit at the newest fills and now, by bot; in one query."""
    cards = list(cards)
    fills: dict[UUID, list[BotFill]] = defaultdict(list)
    for fill in sources_fills_newest([card.bot.pk for card in cards], SPARK_FILLS):
        if fill.order.source_id is not None:
            fills[fill.order.source_id].append(fill_read(fill))
    return {
        card.bot.pk: thinned(recent(card.book, fills[card.bot.pk], card.mark), SPARK_POINTS) for card in cards
    }


def fill_read(fill: object) -> BotFill:
    """`fill` is a row of the wallets'."""
    row: Any = fill
    return BotFill(
        ref=f"{row.order_id}:{row.trade_id}", side=cast("Side", row.side), price=row.price, size=row.size,
        fee=row.fee, fee_asset=row.fee_asset, time=row.time,
    )  # fmt: skip
