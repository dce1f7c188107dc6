"""The books of bots, posted from those of their wallets: each fact once, whatever dies or comes late.

Whoever posts holds the wallet's `BooksMark`. Entries, running rows and the mark are one transaction.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.db.models import Count, Sum

from bots.domain.attribution import Trade, funding_split, sizes_at
from bots.domain.ledger import Account, BotFill, BotFunding, Entry, fill_entries, funding_entries
from bots.domain.pnl import Book, built, grown, when
from bots.models import BooksMark, Bot, BotEntry, BotTransfer, HolderBook
from bots.selectors import wallets_unposted
from bots.selectors.charts import fill_read
from bots.selectors.ledger import book_read
from wallets.selectors import (
    ASKED_HERE,
    Payment,
    fills_beyond,
    payments_beyond,
    payments_read,
    positions_at,
    trades_later,
)
from wallets.services import sources_nudge

FILLS_AT_ONCE = 1000
PAYMENTS_AT_ONCE = 200
ZERO = Decimal(0)
Holder = tuple[UUID | None, int]  # a bot, or None for the person, and an instrument


class Posting:
    """Of one wallet, whose mark is locked. Call `post` once: it says whether there may be more."""

    def __init__(self, mark: BooksMark) -> None:
        self.mark = mark
        self._rows: dict[Holder, HolderBook] = {}
        self._books: dict[Holder, Book] = {}
        self._changed: set[Holder] = set()
        self._transfers: list[tuple[BotTransfer, Sequence[Entry]]] = []

    def post(self) -> bool:
        rows = fills_beyond(self.mark.wallet_id, self.mark.fills_until)
        fills = list(rows.select_related("order", "instrument").defer("order__why")[:FILLS_AT_ONCE])
        self._fills(fills)
        more = len(fills) == FILLS_AT_ONCE
        # Payments are shared by sizes, so that all fills come first.
        new = [] if more else self._payments_new()
        self._payments([*self._touched(fills), *new])
        if new:
            self.mark.payments_until = new[-1].pk
            self.mark.paid_until = max(self.mark.paid_until, *(payment.time for payment in new))
        self._write()
        return more or len(new) == PAYMENTS_AT_ONCE

    # --- fills -----------------------------------------------------------------------------------
    def _fills(self, fills: Sequence[Any]) -> None:
        if not fills:
            return
        self.mark.fills_until = fills[-1].pk
        sources = {fill.order.source_id for fill in fills} - {None}
        bots = set(Bot.objects.filter(pk__in=sources).values_list("pk", flat=True))
        told: dict[Holder, list[BotFill]] = defaultdict(list)
        for fill in fills:
            source = fill.order.source_id
            if source in bots or (source is None and fill.order.origin in ASKED_HERE):
                told[source, fill.instrument_id].append(fill_read(fill))
        self._open(told.keys(), {fill.instrument_id: fill.instrument for fill in fills})
        for holder, news in told.items():
            row = self._rows[holder]
            book = grown(self._books[holder], (row.last_time, row.last_ref), news)
            self._books[holder] = self._rebuilt(holder) if book is None else book
            row.last_time, row.last_ref = max((row.last_time, row.last_ref), *map(when, news))
            self._changed.add(holder)
            for fill in news:
                self._post(holder, fill)

    def _open(self, holders: Iterable[Holder], instruments: dict[int, Any]) -> None:
        """Rows and books of these holders, new ones where there are none."""
        known = HolderBook.objects.filter(mark=self.mark, instrument__in=instruments)
        rows = {(row.bot_id, row.instrument_id): row for row in known}
        for holder in holders:
            bot, place = holder
            row = rows.get(holder) or HolderBook(mark=self.mark, bot_id=bot, instrument_id=place)
            self._know(row, instruments[place])

    def _know(self, row: HolderBook, place: Any) -> None:
        holder = row.bot_id, row.instrument_id
        if holder not in self._rows:
            self._rows[holder], self._books[holder] = row, book_read(row, place.base, place.quote)

    def _rebuilt(self, holder: Holder) -> Book:
        """The book from all of its facts, because one of them came late."""
        bot, place = holder
        rows = fills_beyond(self.mark.wallet_id, 0).filter(instrument=place, pk__lte=self.mark.fills_until)
        mine = rows.filter(order__source_id=bot)
        if bot is None:
            mine = mine.filter(order__origin__in=ASKED_HERE)
        paid = BotEntry.objects.filter(bot=bot, transfer__kind="funding", account=Account.HELD)
        shares = paid.values_list("transfer__ref", "amount", "transfer__time")
        facts: list[BotFill | BotFunding] = [fill_read(fill) for fill in mine.iterator()]
        facts += [BotFunding(*share) for share in shares] if bot else []
        return built(self._books[holder].base, self._books[holder].quote, facts)

    # --- funding ---------------------------------------------------------------------------------
    def _payments_new(self) -> list[Payment]:
        rows = payments_beyond(self.mark.wallet_id, self.mark.payments_until)
        return payments_read(rows, PAYMENTS_AT_ONCE)

    def _payments(self, payments: Sequence[Payment]) -> None:
        if not payments:
            return
        by_place: dict[int, list[Payment]] = defaultdict(list)
        for payment in payments:
            by_place[payment.instrument_id].append(payment)
        posted = _posted(payments)
        for place, paid in by_place.items():
            self._share_out(place, paid, posted)

    def _touched(self, fills: Sequence[Any]) -> list[Payment]:
        """Payments that were shared out before these fills of earlier times were known."""
        late = [fill for fill in fills if fill.time <= self.mark.paid_until]
        if not late:
            return []
        rows = payments_beyond(self.mark.wallet_id, 0).filter(
            pk__lte=self.mark.payments_until, time__gte=min(fill.time for fill in late),
            instrument__in={fill.instrument_id for fill in late},
        )  # fmt: skip
        return payments_read(rows)

    def _share_out(
        self, place: int, payments: Sequence[Payment], posted: dict[tuple[int, str], tuple[Decimal, int]]
    ) -> None:
        mark, earliest = self.mark, min(payment.time for payment in payments)
        known = HolderBook.objects.filter(mark=mark, instrument=place, bot__isnull=False)
        for row in known.select_related("instrument"):
            self._know(row, row.instrument)
        holders = {str(bot): (bot, at) for bot, at in self._rows if at == place and bot}
        now = {name: self._books[holder].position.size for name, holder in holders.items()}
        held = positions_at(mark.wallet_id, mark.fills_until, mark.payments_until).get(place)
        now[""] = held.size if held else ZERO
        moved = trades_later(mark.wallet_id, [place], earliest, mark.fills_until)
        trades = [Trade(str(one.source or ""), one.size, one.time) for one in moved]
        for payment in payments:
            sizes = sizes_at(payment.time, now, trades)
            venue = sizes.pop("")
            shares = funding_split(payment.amount, sizes, venue)
            for name, holder in holders.items():
                before, times = posted.get((payment.pk, name), (ZERO, 0))
                if change := shares[name] - before:
                    ref = f"funding:{payment.pk}" + (f":{times}" if times else "")
                    share = BotFunding(ref, change, payment.time)
                    self._books[holder] = self._books[holder].funded(share)
                    self._changed.add(holder)
                    self._post(holder, share, payment.pk)

    # --- writing ---------------------------------------------------------------------------------
    def _post(self, holder: Holder, fact: BotFill | BotFunding, payment: int | None = None) -> None:
        """Into the bot's ledger. What the person trades is in the wallet's own."""
        bot, book = holder[0], self._books[holder]
        if bot is None:
            return
        if isinstance(fact, BotFill):
            entries = fill_entries(fact, book.base, book.quote)
        else:
            entries = funding_entries(fact, book.quote)
        kind = BotTransfer.Kind.FILL if payment is None else BotTransfer.Kind.FUNDING
        row = BotTransfer(bot_id=bot, ref=fact.ref, kind=kind, payment=payment, time=fact.time)
        self._transfers.append((row, entries))

    def _write(self) -> None:
        BotTransfer.objects.bulk_create([row for row, _ in self._transfers])
        BotEntry.objects.bulk_create(
            BotEntry(transfer=row, bot_id=row.bot_id, account=one.account, asset=one.asset, amount=one.amount)
            for row, entries in self._transfers
            for one in entries
            if one.amount
        )
        for holder in self._changed:
            _written(self._rows[holder], self._books[holder]).save()
        self.mark.save()
        sources_nudge(row.bot_id for row, _ in self._transfers if row.payment is not None)


def _posted(payments: Sequence[Payment]) -> dict[tuple[int, str], tuple[Decimal, int]]:
    """What was posted of these payments, by payment and bot: how much, in how many pieces."""
    mine = BotEntry.objects.filter(
        transfer__payment__in=[payment.pk for payment in payments], account=Account.HELD
    )
    sums = mine.values_list("transfer__payment", "bot").annotate(Sum("amount"), Count("pk")).order_by()
    return {(payment, str(bot)): (amount, pieces) for payment, bot, amount, pieces in sums}


def _written(row: HolderBook, book: Book) -> HolderBook:
    """All but what went, which is written by whoever finds out (`closing`)."""
    for name, amount in asdict(book.position).items():
        setattr(row, name, amount)
    for name in ("fills", "trips", "volume", "peak", "drawdown", "in_market", "since"):
        setattr(row, name, getattr(book, name))
    return row


# What the database does not take, and numbers that no column holds.
REFUSED = (IntegrityError, DataError, ArithmeticError)
logger = logging.getLogger(__name__)


def books_post_all() -> None:
    """Of every wallet that has news; two queries when none has. Several processes may do so at once."""
    for wallet_id in wallets_unposted():
        try:
            books_post(wallet_id=wallet_id)
        except REFUSED:  # the other wallets are not to wait for this one
            logger.exception("books not posted", extra={"subject": str(wallet_id)})


def books_post(*, wallet_id: UUID) -> None:
    """All that is new in this wallet, unless somebody else is at it."""
    more = True
    while more:
        with transaction.atomic():
            marks = BooksMark.objects.select_for_update(no_key=True, skip_locked=True)
            mark = marks.filter(wallet=wallet_id).first()
            more = mark is not None and Posting(mark).post()


def books_post_locked(*, wallet_id: Any) -> BooksMark:
    """Everything that is booked. Until this transaction ends nobody else posts for the wallet."""
    BooksMark.objects.get_or_create(wallet_id=wallet_id)
    mark = BooksMark.objects.select_for_update(no_key=True).get(wallet=wallet_id)
    while Posting(mark).post():
        pass  # as many batches as there are
    return mark
