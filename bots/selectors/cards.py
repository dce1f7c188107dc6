"""A bot as its card shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bots.domain.books import Book
from bots.domain.lifecycle import ENDED, Status
from bots.models import Bot
from bots.selectors.books import book_of
from bots.selectors.strategies import strategy_get
from market.domain.figures import decimal_parse
from market.selectors import ticks_known
from wallets.selectors import sources_live

LATE = timedelta(seconds=10)
WORDS = {
    Status.STARTING: "It is being started.",
    Status.WARMING: "It is reading candles.",
    Status.RUNNING: "Working.",
    Status.STOPPING: "It is being stopped.",
    Status.STOPPED: "Not running.",
}


@dataclass(frozen=True, slots=True)
class BotCard:
    """What follows from a price is None without one. `late`: nobody has driven it for ten seconds."""

    bot: Bot
    title: str
    book: Book
    mark: Decimal | None
    live: int
    late: bool

    @property
    def realised(self) -> Decimal:
        return self.book.position.realised

    @property
    def unrealised(self) -> Decimal | None:
        return None if self.mark is None else self.book.unrealised(self.mark)

    @property
    def profit(self) -> Decimal | None:
        """Everything, after fees."""
        flat = self.book.position.size == 0
        if self.mark is None and not flat:
            return None
        return self.book.position.profit(self.mark or Decimal(0))

    @property
    def going(self) -> bool:
        """It may be stopped; otherwise it may be started."""
        return self.bot.status not in ENDED

    @property
    def why(self) -> str:
        """Why it does what it does, in words."""
        return self.bot.reason or WORDS.get(Status(self.bot.status), "")


def cards_of(bots: Iterable[Bot], now: datetime) -> list[BotCard]:
    bots = list(bots)
    live = sources_live([bot.pk for bot in bots])
    ticks = {venue: ticks_known(venue) for venue in {bot.instrument.venue_id for bot in bots}}
    return [_card(bot, ticks[bot.instrument.venue_id], live.get(bot.pk, 0), now) for bot in bots]


def _card(bot: Bot, ticks: dict[str, dict[str, str]], live: int, now: datetime) -> BotCard:
    strategy = strategy_get(bot.strategy)
    tick = ticks.get(bot.instrument.symbol, {})
    late = bot.status not in ENDED and (bot.heartbeat_at is None or now - bot.heartbeat_at > LATE)
    return BotCard(
        bot=bot,
        title=strategy.title if strategy else bot.strategy,
        book=book_of(bot),
        mark=decimal_parse(tick.get("mark")) or decimal_parse(tick.get("last")),
        live=live,
        late=late,
    )
