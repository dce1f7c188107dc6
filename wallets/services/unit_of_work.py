"""Unit of work of one wallet: changes to orders, positions and ledger in one transaction.

Changes are made in memory and written in bulk by `commit`: a first reconciliation may bring ten thousand
fills. The caller holds the lock of the wallet's row, so what was read here cannot change meanwhile.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from market.domain.orders import AccountType
from market.selectors import instruments_named
from wallets.domain import ledger
from wallets.domain.ledger import Posting
from wallets.domain.lifecycle import OrderEvent, next_status
from wallets.domain.risk_context import default_leverage
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Fill, LedgerEntry, LedgerTransaction, Order, Position, Wallet
from wallets.services.dto import Event
from wallets.services.nudges import supervisor_nudge
from wallets.services.user_events import balance_event, fill_event, order_event, position_event

if TYPE_CHECKING:
    from market.models import Instrument

CODE_LENGTH, MESSAGE_LENGTH = 40, 300


def milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)


class WalletUnitOfWork:
    """Collects changes of one wallet. `now` is the time of the transaction; `commit` writes and returns events."""

    def __init__(self, wallet: Wallet, now: datetime) -> None:
        self.wallet = wallet
        self.now = now
        self.events: list[Event] = []
        self._instruments: dict[str, Any] = {}
        self._positions: dict[int, Position] = {}
        self._tracked: dict[Any, Order] = {}  # one object per order, however often it is read
        self._changed_orders: dict[Any, Order] = {}  # changed, in the order of their first change
        self._fills: list[Fill] = []
        self._transactions: list[tuple[LedgerTransaction, Sequence[Posting]]] = []
        self._changed_positions: dict[int, Position] = {}

    def restart(self) -> "WalletUnitOfWork":
        """An empty unit of work of the same time, with the same cached instruments."""
        books = WalletUnitOfWork(self.wallet, self.now)
        books._instruments = self._instruments
        return books

    # --- instruments and positions ----------------------------------------------------------------
    def instruments_load(self, symbols: Iterable[str]) -> None:
        missing = set(symbols) - self._instruments.keys()
        if missing:
            self._instruments.update(instruments_named(self.wallet.venue_id, missing))

    def instrument(self, symbol: str) -> Any:
        """The row, or None when the venue never listed it."""
        if symbol not in self._instruments:
            self.instruments_load([symbol])
        return self._instruments.get(symbol)

    def position(self, instrument: "Instrument") -> Position:
        """The row to change; a new one starts with the venue's default leverage."""
        if not self._positions:
            rows = Position.objects.filter(wallet=self.wallet).select_related("instrument")
            self._positions = {row.instrument_id: row for row in rows}
        if instrument.pk not in self._positions:
            leverage = default_leverage(instrument.max_leverage)
            flat = dict.fromkeys(("size", "cost", "realised_pnl", "fees", "funding"), Decimal(0))
            row = Position(wallet=self.wallet, instrument=instrument, leverage=leverage, **flat)
            self._positions[instrument.pk] = row
        return self._positions[instrument.pk]

    def positions(self) -> list[Position]:
        """All position rows of the wallet, new ones included."""
        rows = Position.objects.filter(wallet=self.wallet).select_related("instrument")
        self._positions = {row.instrument_id: row for row in rows} | self._positions
        return list(self._positions.values())

    def position_changed(self, position: Position) -> None:
        self._changed_positions[position.instrument_id] = position

    # --- orders -----------------------------------------------------------------------------------
    def track_orders(self, orders: Iterable[Order]) -> list[Order]:
        """The same orders as tracked here: an order that was changed here keeps its changed object."""
        return [self._tracked.setdefault(order.pk, order) for order in orders]

    def order_changed(self, order: Order) -> None:
        self._changed_orders.setdefault(order.pk, order)

    def order_transition(self, order: Order, event: OrderEvent, *, code: str = "", message: str = "") -> None:
        """Apply an event of the state table; in a terminal state the rest of the reservation is released."""
        before, order.status = order.status, next_status(order.status, event)
        if code or message:
            order.code, order.message = code[:CODE_LENGTH], message[:MESSAGE_LENGTH]
        if order.status == OrderStatus.OPEN and order.accepted_at is None:
            order.accepted_at = self.now
        if order.status in TERMINAL:
            order.ended_at = order.ended_at or self.now
            self.reservation_set(order, Decimal(0))
            if before not in TERMINAL and not order._state.adding:
                self._extend_replacement_reservation(order)
        self.order_changed(order)

    def order_flag(self, order: Order, *flags: str) -> None:
        added = [flag for flag in flags if flag not in order.flags]
        if added:
            order.flags = [*order.flags, *added]
            self.order_changed(order)

    def order_unflag(self, order: Order, flag: str) -> None:
        if flag in order.flags:
            order.flags = [one for one in order.flags if one != flag]
            self.order_changed(order)

    def _extend_replacement_reservation(self, ended: Order) -> None:
        """The order that replaces `ended` now reserves its full amount instead of the difference."""
        stored = Order.objects.filter(replaces=ended, status__in=LIVE).select_related("instrument")
        for successor in self.track_orders(stored):
            if successor.status not in TERMINAL:
                left = successor.size - successor.filled
                self.reservation_set(
                    successor, ledger.reservation_after(successor.initial_reservation, successor.size, left)
                )

    # --- money ------------------------------------------------------------------------------------
    def reservation_set(self, order: Order, amount: Decimal) -> None:
        """Set the order's reservation to `amount`."""
        change = amount - order.reserved
        if not change:
            return
        account_type: Any = order.reserved_account_type
        order.reservation_seq += 1
        kind = LedgerTransaction.Kind.RESERVE if change > 0 else LedgerTransaction.Kind.RELEASE
        row = LedgerTransaction(
            ref=f"{kind}:{order.pk}:{order.reservation_seq}",
            kind=kind,
            order=order,
            instrument=order.instrument,
            time=milliseconds(self.now),
        )
        self.post(row, ledger.reserve(account_type, order.reserved_asset, change))
        order.reserved = amount
        self.order_changed(order)

    def reservation_open(
        self, order: Order, *, account_type: AccountType, asset: str, amount: Decimal, already: Decimal
    ) -> None:
        """The first reservation: the order needs `amount`, of which the replaced order has reserved `already`."""
        order.reserved_account_type, order.reserved_asset, order.initial_reservation = (
            account_type,
            asset,
            amount,
        )
        self.reservation_set(order, max(Decimal(0), amount - already))

    def post(self, row: LedgerTransaction, postings: Sequence[Posting]) -> None:
        """Add one ledger transaction, also without postings: the row records that the event was applied."""
        row.wallet = self.wallet
        self._transactions.append((row, postings))

    def fill_add(self, fill: Fill) -> None:
        self._fills.append(fill)

    # --- commit -----------------------------------------------------------------------------------
    def commit(self, *, origin_bot: UUID | None = None) -> list[Event]:
        """Write everything. Returns the events to publish to the owner after the commit.

        The bot `origin_bot`, which caused these changes itself, is not woken.
        """
        self._write_orders()
        sources = {order.source_id for order in self._changed_orders.values()}
        supervisor_nudge(source for source in sources if source and source != origin_bot)
        Fill.objects.bulk_create(self._fills, batch_size=1000)
        self._write_transactions()
        for position in self._changed_positions.values():
            position.save()
        events = [order_event(order, self.wallet) for order in self._changed_orders.values()]
        events += [fill_event(fill, self.wallet) for fill in self._fills]
        events += [position_event(one, self.wallet) for one in self._changed_positions.values()]
        events += [balance_event(self.wallet)] if self._transactions else []
        return events + self.events

    def _write_orders(self) -> None:
        added = [order for order in self._changed_orders.values() if order._state.adding]
        changed = [order for order in self._changed_orders.values() if not order._state.adding]
        Order.objects.bulk_create(added, batch_size=500)
        for order in changed:
            order.save()

    def _write_transactions(self) -> None:
        LedgerTransaction.objects.bulk_create([row for row, _ in self._transactions], batch_size=1000)
        LedgerEntry.objects.bulk_create(
            (
                LedgerEntry(
                    transaction=row, wallet=self.wallet, account_type=one.account_type, asset=one.asset,
                    account=one.account, amount=one.amount,
                )
                for row, postings in self._transactions
                for one in postings
            ),
            batch_size=2000,
        )  # fmt: skip
