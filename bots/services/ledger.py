"""Ledger posting: posts a wallet's fills and funding to the ledgers of its bots, each exactly once.

It is safe against crashes and late fills: the poster locks the wallet's `LedgerCursor`, and entries, running
totals and the cursor are written in one transaction.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.db.models import Count, Sum

from bots.domain.attribution import HolderTrade, funding_split, position_sizes_at
from bots.domain.ledger import Entry, LedgerAccount, LedgerFill, LedgerFunding, fill_entries, funding_entries
from bots.domain.pnl import BotPnl, pnl_extended, pnl_from, when
from bots.models import Bot, BotLedgerEntry, BotLedgerTransaction, HolderPosition, LedgerCursor
from bots.selectors import wallets_with_unposted
from bots.selectors.charts import fill_read
from bots.selectors.ledger import book_read
from wallets.selectors import (
    LOCAL_ORIGINS,
    FundingPayment,
    fills_after,
    funding_after,
    payments_read,
    positions_at,
    trades_after,
)
from wallets.services import supervisor_nudge

if TYPE_CHECKING:
    from market.models import Instrument

FILL_BATCH = 1000
FUNDING_BATCH = 200
ZERO = Decimal(0)
Holder = tuple[UUID | None, int]  # (bot or None for manual trading, instrument)


class LedgerPoster:
    """Ledger poster of one wallet with a locked cursor. Call `post` once per instance."""

    def __init__(self, cursor: LedgerCursor) -> None:
        self.cursor = cursor
        self._rows: dict[Holder, HolderPosition] = {}
        self._books: dict[Holder, BotPnl] = {}
        self._changed: set[Holder] = set()
        self._transactions: list[tuple[BotLedgerTransaction, Sequence[Entry]]] = []

    def post(self) -> bool:
        """Post one batch. Returns whether there may be more."""
        rows = fills_after(self.cursor.wallet_id, self.cursor.last_fill_id)
        fills = list(rows.select_related("order", "instrument").defer("order__provenance")[:FILL_BATCH])
        self._post_fills(fills)
        has_more = len(fills) == FILL_BATCH
        # Funding is split by position size, so that all fills must be posted first.
        new = [] if has_more else self._new_payments()
        self._post_payments([*self._affected_payments(fills), *new])
        if new:
            self.cursor.last_funding_id = new[-1].pk
            self.cursor.last_funding_time = max(
                self.cursor.last_funding_time, *(payment.time for payment in new)
            )
        self._write()
        return has_more or len(new) == FUNDING_BATCH

    # --- fills -----------------------------------------------------------------------------------
    def _post_fills(self, fills: Sequence[Any]) -> None:
        if not fills:
            return
        self.cursor.last_fill_id = fills[-1].pk
        sources = {fill.order.source_id for fill in fills} - {None}
        bots = set(Bot.objects.filter(pk__in=sources).values_list("pk", flat=True))
        by_holder: dict[Holder, list[LedgerFill]] = defaultdict(list)
        for fill in fills:
            source = fill.order.source_id
            if source in bots or (source is None and fill.order.origin in LOCAL_ORIGINS):
                by_holder[source, fill.instrument_id].append(fill_read(fill))
        self._open(by_holder.keys(), {fill.instrument_id: fill.instrument for fill in fills})
        for holder, new_fills in by_holder.items():
            row = self._rows[holder]
            book = pnl_extended(self._books[holder], (row.last_time, row.last_ref), new_fills)
            self._books[holder] = self._rebuilt(holder) if book is None else book
            row.last_time, row.last_ref = max((row.last_time, row.last_ref), *map(when, new_fills))
            self._changed.add(holder)
            for fill in new_fills:
                self._post(holder, fill)

    def _open(self, holders: Iterable[Holder], instruments: dict[int, Any]) -> None:
        """Load (or create) the position rows and PnL of these holders."""
        existing = HolderPosition.objects.filter(cursor=self.cursor, instrument__in=instruments)
        rows = {(row.bot_id, row.instrument_id): row for row in existing}
        for holder in holders:
            bot, instrument_id = holder
            row = rows.get(holder) or HolderPosition(
                cursor=self.cursor, bot_id=bot, instrument_id=instrument_id
            )
            self._load(row, instruments[instrument_id])

    def _load(self, row: HolderPosition, instrument: "Instrument") -> None:
        holder = row.bot_id, row.instrument_id
        if holder not in self._rows:
            self._rows[holder] = row
            self._books[holder] = book_read(row, instrument.base, instrument.quote)

    def _rebuilt(self, holder: Holder) -> BotPnl:
        """The PnL built again from all fills and funding, because a fill arrived late."""
        bot, instrument_id = holder
        rows = fills_after(self.cursor.wallet_id, 0).filter(
            instrument=instrument_id, pk__lte=self.cursor.last_fill_id
        )
        own_fills = rows.filter(order__source_id=bot)
        if bot is None:
            own_fills = own_fills.filter(order__origin__in=LOCAL_ORIGINS)
        paid = BotLedgerEntry.objects.filter(
            bot=bot, transaction__kind="funding", account=LedgerAccount.POSITION
        )
        shares = paid.values_list("transaction__ref", "amount", "transaction__time")
        postings: list[LedgerFill | LedgerFunding] = [fill_read(fill) for fill in own_fills.iterator()]
        postings += [LedgerFunding(*share) for share in shares] if bot else []
        return pnl_from(self._books[holder].base, self._books[holder].quote, postings)

    # --- funding ---------------------------------------------------------------------------------
    def _new_payments(self) -> list[FundingPayment]:
        rows = funding_after(self.cursor.wallet_id, self.cursor.last_funding_id)
        return payments_read(rows, FUNDING_BATCH)

    def _post_payments(self, payments: Sequence[FundingPayment]) -> None:
        if not payments:
            return
        by_instrument: dict[int, list[FundingPayment]] = defaultdict(list)
        for payment in payments:
            by_instrument[payment.instrument_id].append(payment)
        posted = _posted_shares(payments)
        for instrument_id, paid in by_instrument.items():
            self._split_payments(instrument_id, paid, posted)

    def _affected_payments(self, fills: Sequence[Any]) -> list[FundingPayment]:
        """Payments that were split before these fills of earlier times were known."""
        late = [fill for fill in fills if fill.time <= self.cursor.last_funding_time]
        if not late:
            return []
        rows = funding_after(self.cursor.wallet_id, 0).filter(
            pk__lte=self.cursor.last_funding_id, time__gte=min(fill.time for fill in late),
            instrument__in={fill.instrument_id for fill in late},
        )  # fmt: skip
        return payments_read(rows)

    def _split_payments(
        self,
        instrument_id: int,
        payments: Sequence[FundingPayment],
        posted: dict[tuple[int, str], tuple[Decimal, int]],
    ) -> None:
        cursor, earliest = self.cursor, min(payment.time for payment in payments)
        existing = HolderPosition.objects.filter(cursor=cursor, instrument=instrument_id, bot__isnull=False)
        for row in existing.select_related("instrument"):
            self._load(row, row.instrument)
        holders = {str(bot): (bot, at) for bot, at in self._rows if at == instrument_id and bot}
        now = {name: self._books[holder].position.size for name, holder in holders.items()}
        held = positions_at(cursor.wallet_id, cursor.last_fill_id, cursor.last_funding_id).get(instrument_id)
        now[""] = held.size if held else ZERO
        later_trades = trades_after(cursor.wallet_id, [instrument_id], earliest, cursor.last_fill_id)
        trades = [HolderTrade(str(one.source or ""), one.size, one.time) for one in later_trades]
        for payment in payments:
            sizes = position_sizes_at(payment.time, now, trades)
            venue = sizes.pop("")
            shares = funding_split(payment.amount, sizes, venue)
            for name, holder in holders.items():
                before, times = posted.get((payment.pk, name), (ZERO, 0))
                if change := shares[name] - before:
                    ref = f"funding:{payment.pk}" + (f":{times}" if times else "")
                    share = LedgerFunding(ref, change, payment.time)
                    self._books[holder] = self._books[holder].funded(share)
                    self._changed.add(holder)
                    self._post(holder, share, payment.pk)

    # --- writing ---------------------------------------------------------------------------------
    def _post(self, holder: Holder, posting: LedgerFill | LedgerFunding, payment: int | None = None) -> None:
        """Add entries to the bot's ledger. Manual trading is only in the wallet's ledger."""
        bot, book = holder[0], self._books[holder]
        if bot is None:
            return
        if isinstance(posting, LedgerFill):
            entries = fill_entries(posting, book.base, book.quote)
        else:
            entries = funding_entries(posting, book.quote)
        kind = BotLedgerTransaction.Kind.FILL if payment is None else BotLedgerTransaction.Kind.FUNDING
        row = BotLedgerTransaction(bot_id=bot, ref=posting.ref, kind=kind, payment=payment, time=posting.time)
        self._transactions.append((row, entries))

    def _write(self) -> None:
        BotLedgerTransaction.objects.bulk_create([row for row, _ in self._transactions])
        BotLedgerEntry.objects.bulk_create(
            BotLedgerEntry(
                transaction=row, bot_id=row.bot_id, account=one.account, asset=one.asset, amount=one.amount
            )
            for row, entries in self._transactions
            for one in entries
            if one.amount
        )
        for holder in self._changed:
            _copy_pnl(self._rows[holder], self._books[holder]).save()
        self.cursor.save()
        supervisor_nudge(row.bot_id for row, _ in self._transactions if row.payment is not None)


def _posted_shares(payments: Sequence[FundingPayment]) -> dict[tuple[int, str], tuple[Decimal, int]]:
    """What was already posted of these payments, by (payment, bot): the amount and the number of entries."""
    rows = BotLedgerEntry.objects.filter(
        transaction__payment__in=[payment.pk for payment in payments], account=LedgerAccount.POSITION
    )
    sums = rows.values_list("transaction__payment", "bot").annotate(Sum("amount"), Count("pk")).order_by()
    return {(payment, str(bot)): (amount, pieces) for payment, bot, amount, pieces in sums}


def _copy_pnl(row: HolderPosition, book: BotPnl) -> HolderPosition:
    """Copy the PnL to its row, except `closed_externally`, which `position_close` writes."""
    for name, amount in asdict(book.position).items():
        setattr(row, name, amount)
    for name in ("fills", "round_trips", "volume", "peak", "max_drawdown", "time_in_market", "updated_time"):
        setattr(row, name, getattr(book, name))
    return row


# Rows that the database rejects, and numbers that fit no column.
POSTING_ERRORS = (IntegrityError, DataError, ArithmeticError)
logger = logging.getLogger(__name__)


def wallet_fills_post_all() -> None:
    """Post every wallet with unposted rows; two queries when there are none. Safe to run concurrently."""
    for wallet_id in wallets_with_unposted():
        try:
            wallet_fills_post(wallet_id=wallet_id)
        except POSTING_ERRORS:  # must not delay the other wallets
            logger.exception("ledger posting failed", extra={"subject": str(wallet_id)})


def wallet_fills_post(*, wallet_id: UUID) -> None:
    """Post all new rows of this wallet, unless another process is already posting them."""
    has_more = True
    while has_more:
        with transaction.atomic():
            cursors = LedgerCursor.objects.select_for_update(no_key=True, skip_locked=True)
            cursor = cursors.filter(wallet=wallet_id).first()
            has_more = cursor is not None and LedgerPoster(cursor).post()


def wallet_fills_post_locked(*, wallet_id: UUID) -> LedgerCursor:
    """Post all new rows of the wallet and keep its cursor locked until this transaction ends."""
    LedgerCursor.objects.get_or_create(wallet_id=wallet_id)
    cursor = LedgerCursor.objects.select_for_update(no_key=True).get(wallet=wallet_id)
    while LedgerPoster(cursor).post():
        pass  # the next batch
    return cursor
