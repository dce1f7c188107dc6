"""Filtered and sorted list of a user's bots. All are read: there are few (`MAX_BOTS_PER_USER`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bots.domain.lifecycle import Status
from bots.selectors.bots import bots_of
from bots.selectors.cards import BotCard, cards_of

if TYPE_CHECKING:
    from accounts.models import User

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
