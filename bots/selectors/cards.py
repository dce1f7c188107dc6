"""A bot as its card shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bots.domain.lifecycle import ENDED, Status
from bots.domain.pnl import Book
from bots.models import Bot
from bots.selectors.ledger import books_of
from bots.selectors.strategies import strategy_get
from market.domain.formatting import decimal_parse
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
    """What follows from a price is None without one. `late`: nobody has driven it for ten seconds.

    `book` is as it stands at `mark`, now; amounts are in quote units, times in ms.
    """

    bot: Bot
    title: str
    book: Book
    mark: Decimal | None
    live: int
    late: bool

    @property
    def size(self) -> Decimal:
        """What it holds, in base units; below zero it is short."""
        return self.book.position.size

    @property
    def realised(self) -> Decimal:
        """Before fees."""
        return self.book.position.realised

    @property
    def fees(self) -> Decimal:
        """Above zero: paid."""
        return self.book.position.fees

    @property
    def funding(self) -> Decimal:
        """Its shares of the wallet's funding; above zero: received."""
        return self.book.position.funding

    @property
    def fills(self) -> int:
        return self.book.fills

    @property
    def trips(self) -> int:
        """From flat to flat, or through flat to the other side."""
        return self.book.trips

    @property
    def volume(self) -> Decimal:
        """Everything that it traded."""
        return self.book.volume

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall from a peak of its profit, at its fills and now."""
        return self.book.drawdown

    @property
    def in_market(self) -> int:
        """For how long it held a position."""
        return self.book.in_market

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
    books = books_of(bots)
    ticks = {venue: ticks_known(venue) for venue in {bot.instrument.venue_id for bot in bots}}
    return [
        _card(bot, books[bot.pk], ticks[bot.instrument.venue_id], live.get(bot.pk, 0), now) for bot in bots
    ]


def _card(bot: Bot, book: Book, ticks: dict[str, dict[str, str]], live: int, now: datetime) -> BotCard:
    strategy = strategy_get(bot.strategy)
    tick = ticks.get(bot.instrument.symbol, {})
    mark = decimal_parse(tick.get("mark")) or decimal_parse(tick.get("last"))
    late = bot.status not in ENDED and (bot.heartbeat_at is None or now - bot.heartbeat_at > LATE)
    return BotCard(
        bot=bot,
        title=strategy.title if strategy else bot.strategy,
        book=book if mark is None else book.marked(mark, int(now.timestamp() * 1000)),
        mark=mark,
        live=live,
        late=late,
    )
