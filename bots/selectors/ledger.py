"""The books of bots, as they are posted from the venue's fills and funding."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from bots.domain.ledger import Account
from bots.domain.pnl import Book
from bots.models import BooksMark, Bot, BotBalance, HolderBook
from bots.sdk.context import Position
from wallets.selectors import wallets_beyond

Balances = Mapping[tuple[Account, str], Decimal]


def book_of(bot: Bot) -> Book:
    """Of all its runs."""
    return books_of([bot])[bot.pk]


def books_of(bots: Iterable[Bot]) -> dict[UUID, Book]:
    """The book of each, by its key; `bots` with their instruments. Two queries."""
    places = {bot.pk: bot.instrument for bot in bots}
    rows = {row.bot_id: row for row in HolderBook.objects.filter(bot__in=places)}
    sums: dict[UUID, dict[tuple[Account, str], Decimal]] = defaultdict(dict)
    for held in BotBalance.objects.filter(bot__in=places):
        sums[held.bot_id][Account(held.account), held.asset] = held.amount
    return {
        pk: book_read(rows[pk], place.base, place.quote, sums[pk])
        if pk in rows
        else Book(place.base, place.quote)
        for pk, place in places.items()
    }


def book_read(row: HolderBook, base: str, quote: str, balances: Balances | None = None) -> Book:
    """The book that this row keeps. Without `balances` it is told of none, and must not be asked for them."""
    return Book(
        base=base, quote=quote, position=Position(row.size, row.cost, row.realised, row.fees, row.funding),
        balances=balances or {}, fills=row.fills, trips=row.trips, volume=row.volume, peak=row.peak,
        drawdown=row.drawdown, in_market=row.in_market, since=row.since,
    )  # fmt: skip


def wallets_unposted() -> list[UUID]:
    """Wallets of bots in whose books something is new. Two queries, however many there are."""
    marks = BooksMark.objects.values_list("wallet", "fills_until", "payments_until")
    return wallets_beyond(list(marks))
