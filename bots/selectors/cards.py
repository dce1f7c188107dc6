"""Bot cards: a bot with its PnL, live orders and heartbeat status, as pages and the API show it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bots.domain.lifecycle import TERMINAL, Status
from bots.domain.pnl import BotPnl
from bots.models import Bot
from bots.selectors.bots import bots_of
from bots.selectors.ledger import bots_pnl
from bots.selectors.strategies import strategy_get
from core.formatting import decimal_parse
from market.selectors import ticks_or_none
from wallets.selectors import sources_live

if TYPE_CHECKING:
    from accounts.models import User

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
STATUS_TEXT = {
    Status.STARTING: "The bot is being started.",
    Status.WARMING: "Loading candles.",
    Status.RUNNING: "The strategy is active.",
    Status.STOPPING: "The bot is being stopped.",
    Status.STOPPED: "Not running.",
}


@dataclass(frozen=True, slots=True)
class BotCard:
    """A bot with its current figures. `is_stale`: it should run and had no heartbeat for ten seconds.

    `book` is the PnL at the price `mark`, now. Values that need a price are None without one. Amounts are in
    quote units, times in ms.
    """

    bot: Bot
    title: str
    book: BotPnl
    mark: Decimal | None
    live: int
    is_stale: bool

    @property
    def size(self) -> Decimal:
        """Position size in base units; below zero it is short."""
        return self.book.position.size

    @property
    def realised_pnl(self) -> Decimal:
        """Realised PnL before fees."""
        return self.book.position.realised_pnl

    @property
    def fees(self) -> Decimal:
        """Total fees; above zero: paid."""
        return self.book.position.fees

    @property
    def funding(self) -> Decimal:
        """The bot's shares of the wallet's funding; above zero: received."""
        return self.book.position.funding

    @property
    def fills(self) -> int:
        return self.book.fills

    @property
    def round_trips(self) -> int:
        """Number of round trips: from flat to flat, or through flat to the other side."""
        return self.book.round_trips

    @property
    def volume(self) -> Decimal:
        """Traded volume."""
        return self.book.volume

    @property
    def max_drawdown(self) -> Decimal:
        """Largest fall of the trading PnL from a peak, measured at fills and now."""
        return self.book.max_drawdown

    @property
    def time_in_market(self) -> int:
        """Total time with an open position."""
        return self.book.time_in_market

    @property
    def unrealised_pnl(self) -> Decimal | None:
        return None if self.mark is None else self.book.unrealised_pnl(self.mark)

    @property
    def flat_pnl(self) -> Decimal:
        """The part of the PnL that prices do not change: realised, less fees, plus funding."""
        return self.realised_pnl - self.fees + self.funding

    @property
    def pnl(self) -> Decimal | None:
        """Total PnL, after fees and funding."""
        flat = self.book.position.size == 0
        if self.mark is None and not flat:
            return None
        return self.book.position.pnl(self.mark or Decimal(0))

    @property
    def is_running(self) -> bool:
        """Whether the bot may be stopped; otherwise it may be started."""
        return self.bot.status not in TERMINAL

    @property
    def status_text(self) -> str:
        """The bot's reason, or else a description of its status."""
        return self.bot.reason or STATUS_TEXT.get(Status(self.bot.status), "")


def cards_of(bots: Iterable[Bot], now: datetime) -> list[BotCard]:
    """The cards of these bots, in their order."""
    bots = list(bots)
    live = sources_live([bot.pk for bot in bots])
    books = bots_pnl(bots)
    ticks = {venue: ticks_or_none(venue) for venue in {bot.instrument.venue_id for bot in bots}}
    return [
        _card(bot, books[bot.pk], ticks[bot.instrument.venue_id], live.get(bot.pk, 0), now) for bot in bots
    ]


def _card(bot: Bot, book: BotPnl, ticks: dict[str, dict[str, str]], live: int, now: datetime) -> BotCard:
    strategy = strategy_get(bot.strategy)
    tick = ticks.get(bot.instrument.symbol, {})
    mark = decimal_parse(tick.get("mark")) or decimal_parse(tick.get("last"))
    is_stale = bot.status not in TERMINAL and (
        bot.heartbeat_at is None or now - bot.heartbeat_at > HEARTBEAT_TIMEOUT
    )
    return BotCard(
        bot=bot,
        title=strategy.title if strategy else bot.strategy,
        book=book if mark is None else book.marked(mark, int(now.timestamp() * 1000)),
        mark=mark,
        live=live,
        is_stale=is_stale,
    )


ALL, NEEDS_ATTENTION = "", "needs"
LOWEST = Decimal("-Infinity")


@dataclass(frozen=True, slots=True)
class BotFilter:
    """Filter of the bot list; empty values do not filter. `state` is a status or `needs` (needs attention);
    `sort` is a key of `SORTS`, with a leading `-` for descending order."""

    state: str = ""
    wallet: UUID | None = None
    strategy: str = ""
    archived: bool = False
    sort: str = "-created"


@dataclass(frozen=True, slots=True)
class FilteredBots:
    """Filtered bots. `counts` is the number of bots by state, with only the other filters applied."""

    cards: list[BotCard]
    counts: dict[str, int]


def needs_attention(card: BotCard) -> bool:
    """Whether the bot is faulted or has no current heartbeat."""
    return card.bot.status == Status.FAULTED or card.is_stale


SORTS: dict[str, Callable[[BotCard], Any]] = {
    "created": lambda card: card.bot.created_at,
    "name": lambda card: card.bot.name.casefold(),
    "profit": lambda card: LOWEST if card.pnl is None else card.pnl,
    "budget": lambda card: card.bot.budget,
    "fills": lambda card: card.fills,
    "state": lambda card: (not needs_attention(card), list(Status).index(Status(card.bot.status))),
}


def bots_listed(user: "User", criteria: BotFilter, now: datetime) -> FilteredBots:
    """The user's bots that match the criteria, sorted, with counts by state."""
    rows = bots_of(user, archived=criteria.archived).select_related("wallet__venue", "instrument")
    if criteria.wallet:
        rows = rows.filter(wallet=criteria.wallet)
    if criteria.strategy:
        rows = rows.filter(strategy=criteria.strategy)
    cards = cards_of(rows, now)
    shown = [card for card in cards if _has_state(card, criteria.state)]
    shown.sort(key=SORTS[criteria.sort.lstrip("-")], reverse=criteria.sort.startswith("-"))
    return FilteredBots(shown, _counts(cards))


def _has_state(card: BotCard, state: str) -> bool:
    return needs_attention(card) if state == NEEDS_ATTENTION else state in (ALL, card.bot.status)


def _counts(cards: Sequence[BotCard]) -> dict[str, int]:
    states = (ALL, *Status, NEEDS_ATTENTION)
    return {str(state): sum(_has_state(card, state) for card in cards) for state in states}
