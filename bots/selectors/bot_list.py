"""A user's bots as a list that is filtered and sorted. A user has few (`BOTS_MOST`): all of them are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bots.domain.lifecycle import Status
from bots.selectors.bots import bots_of
from bots.selectors.cards import BotCard, cards_of

ALL, NEEDS_YOU = "", "needs"
LOWEST = Decimal("-Infinity")


@dataclass(frozen=True, slots=True)
class Wish:
    """Empty says nothing. `state` is a status or `needs`; `sort` a key of `SORTS`, with `-` falling."""

    state: str = ""
    wallet: UUID | None = None
    strategy: str = ""
    archived: bool = False
    sort: str = "-created"


@dataclass(frozen=True, slots=True)
class Listed:
    """`counts` by state, of what the other filters let through."""

    cards: list[BotCard]
    counts: dict[str, int]


def needs_you(card: BotCard) -> bool:
    """It will not go on by itself: it is faulted, or nobody drives it."""
    return card.bot.status == Status.FAULTED or card.late


SORTS: dict[str, Callable[[BotCard], Any]] = {
    "created": lambda card: card.bot.created_at,
    "name": lambda card: card.bot.name.casefold(),
    "profit": lambda card: LOWEST if card.profit is None else card.profit,
    "budget": lambda card: card.bot.budget,
    "fills": lambda card: card.fills,
    "state": lambda card: (not needs_you(card), list(Status).index(Status(card.bot.status))),
}


def bots_listed(user: Any, wish: Wish, now: datetime) -> Listed:
    rows = bots_of(user, archived=wish.archived).select_related("wallet__venue", "instrument")
    if wish.wallet:
        rows = rows.filter(wallet=wish.wallet)
    if wish.strategy:
        rows = rows.filter(strategy=wish.strategy)
    cards = cards_of(rows, now)
    shown = [card for card in cards if _is(card, wish.state)]
    shown.sort(key=SORTS[wish.sort.lstrip("-")], reverse=wish.sort.startswith("-"))
    return Listed(shown, _counts(cards))


def _is(card: BotCard, state: str) -> bool:
    return needs_you(card) if state == NEEDS_YOU else state in (ALL, card.bot.status)


def _counts(cards: Sequence[BotCard]) -> dict[str, int]:
    states = (ALL, *Status, NEEDS_YOU)
    return {str(state): sum(_is(card, state) for card in cards) for state in states}
