"""What a chart shows of a bot: where it wants orders, where they rest, where they traded."""

from dataclasses import dataclass

from bots.domain.codec import decode
from bots.domain.snapshot import Snapshot
from bots.models import Bot
from bots.sdk import Level
from bots.selectors.reading import run_active
from wallets.domain.status import LIVE
from wallets.selectors import source_fills, source_orders

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
