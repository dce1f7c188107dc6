"""The books of one wallet, open for one transaction that holds the wallet's row.

Changes are made in memory and written by `close`, in bulk: a first reconciliation may bring ten
thousand fills. Whoever opens books has the lock, so what was read here cannot change meanwhile.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from market.domain.orders import Pot
from market.selectors import instruments_named
from wallets.domain import ledger
from wallets.domain.ledger import Posting
from wallets.domain.lifecycle import OrderEvent, after
from wallets.domain.risk_context import usual_leverage
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Fill, LedgerEntry, LedgerTransfer, Order, Position, Wallet
from wallets.services.dto import Event
from wallets.services.nudges import sources_nudge
from wallets.services.user_events import balance_event, fill_event, order_event, position_event

CODE_LENGTH, MESSAGE_LENGTH = 40, 300


def milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)


class Books:
    """`now` is the moment of this transaction. `close` writes and returns what happened."""

    def __init__(self, wallet: Wallet, now: datetime) -> None:
        self.wallet = wallet
        self.now = now
        self.events: list[Event] = []
        self._instruments: dict[str, Any] = {}
        self._positions: dict[int, Position] = {}
        self._known: dict[Any, Order] = {}  # one object per order, however often it is read
        self._orders: dict[Any, Order] = {}  # changed, in the order of their first change
        self._fills: list[Fill] = []
        self._transfers: list[tuple[LedgerTransfer, Sequence[Posting]]] = []
        self._touched_positions: dict[int, Position] = {}

    def anew(self) -> "Books":
        """Empty ones of the same moment, which know the same instruments."""
        books = Books(self.wallet, self.now)
        books._instruments = self._instruments
        return books

    # --- instruments and positions ---------------------------------------------------------------
    def instruments_load(self, symbols: Iterable[str]) -> None:
        missing = set(symbols) - self._instruments.keys()
        if missing:
            self._instruments.update(instruments_named(self.wallet.venue_id, missing))

    def instrument(self, symbol: str) -> Any:
        """The row, or None when the venue never listed it."""
        if symbol not in self._instruments:
            self.instruments_load([symbol])
        return self._instruments.get(symbol)

    def position(self, instrument: Any) -> Position:
        """The row to change; a new one starts with the leverage that the venue gives everybody."""
        if not self._positions:
            held = Position.objects.filter(wallet=self.wallet).select_related("instrument")
            self._positions = {row.instrument_id: row for row in held}
        if instrument.pk not in self._positions:
            leverage = usual_leverage(instrument.max_leverage)
            flat = dict.fromkeys(("size", "cost", "realised", "fees", "funding"), Decimal(0))
            row = Position(wallet=self.wallet, instrument=instrument, leverage=leverage, **flat)
            self._positions[instrument.pk] = row
        return self._positions[instrument.pk]

    def positions(self) -> list[Position]:
        """All that the wallet has rows of."""
        held = Position.objects.filter(wallet=self.wallet).select_related("instrument")
        self._positions = {row.instrument_id: row for row in held} | self._positions
        return list(self._positions.values())

    def position_changed(self, position: Position) -> None:
        self._touched_positions[position.instrument_id] = position

    # --- orders ----------------------------------------------------------------------------------
    def orders_know(self, orders: Iterable[Order]) -> list[Order]:
        """The same orders, as these books know them: what was changed here is not read again."""
        return [self._known.setdefault(order.pk, order) for order in orders]

    def order_changed(self, order: Order) -> None:
        self._orders.setdefault(order.pk, order)

    def order_move(self, order: Order, event: OrderEvent, *, code: str = "", message: str = "") -> None:
        """The state table's next state; at the end everything that is still held back is released."""
        before, order.status = order.status, after(order.status, event)
        if code or message:
            order.code, order.message = code[:CODE_LENGTH], message[:MESSAGE_LENGTH]
        if order.status == OrderStatus.OPEN and order.accepted_at is None:
            order.accepted_at = self.now
        if order.status in TERMINAL:
            order.ended_at = order.ended_at or self.now
            self.hold_set(order, Decimal(0))
            if before not in TERMINAL and not order._state.adding:
                self._hand_over(order)
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

    def _hand_over(self, ended: Order) -> None:
        """The order that replaces `ended` now holds back all that it needs, no longer the difference."""
        stored = Order.objects.filter(replaces=ended, status__in=LIVE).select_related("instrument")
        for successor in self.orders_know(stored):
            if successor.status not in TERMINAL:
                left = successor.size - successor.filled
                self.hold_set(successor, ledger.held_after(successor.hold, successor.size, left))

    # --- money -----------------------------------------------------------------------------------
    def hold_set(self, order: Order, amount: Decimal) -> None:
        """Hold back `amount` for the order from now on, whatever it was."""
        change = amount - order.reserved
        if not change:
            return
        pot: Any = order.reserved_pot
        order.hold_changes += 1
        kind = LedgerTransfer.Kind.RESERVE if change > 0 else LedgerTransfer.Kind.RELEASE
        row = LedgerTransfer(
            ref=f"{kind}:{order.pk}:{order.hold_changes}",
            kind=kind,
            order=order,
            instrument=order.instrument,
            time=milliseconds(self.now),
        )
        self.post(row, ledger.reserve(pot, order.reserved_asset, change))
        order.reserved = amount
        self.order_changed(order)

    def hold_open(self, order: Order, *, pot: Pot, asset: str, amount: Decimal, already: Decimal) -> None:
        """The first reservation of an order that needs `amount`, of which `already` is held by another."""
        order.reserved_pot, order.reserved_asset, order.hold = pot, asset, amount
        self.hold_set(order, max(Decimal(0), amount - already))

    def post(self, row: LedgerTransfer, postings: Sequence[Posting]) -> None:
        """One event in the ledger, also when nothing moved: the row remembers that it was booked."""
        row.wallet = self.wallet
        self._transfers.append((row, postings))

    def fill_add(self, fill: Fill) -> None:
        self._fills.append(fill)

    # --- the end ---------------------------------------------------------------------------------
    def close(self, *, knows: UUID | None = None) -> list[Event]:
        """Write everything. Returns what to tell the owner once it is committed.

        The source that `knows`, because it asked for this itself, is not woken.
        """
        self._write_orders()
        sources = {order.source_id for order in self._orders.values()}
        sources_nudge(source for source in sources if source and source != knows)
        Fill.objects.bulk_create(self._fills, batch_size=1000)
        self._write_transfers()
        for position in self._touched_positions.values():
            position.save()
        told = [order_event(order, self.wallet) for order in self._orders.values()]
        told += [fill_event(fill, self.wallet) for fill in self._fills]
        told += [position_event(one, self.wallet) for one in self._touched_positions.values()]
        told += [balance_event(self.wallet)] if self._transfers else []
        return told + self.events

    def _write_orders(self) -> None:
        added = [order for order in self._orders.values() if order._state.adding]
        changed = [order for order in self._orders.values() if not order._state.adding]
        Order.objects.bulk_create(added, batch_size=500)
        for order in changed:
            order.save()

    def _write_transfers(self) -> None:
        LedgerTransfer.objects.bulk_create([row for row, _ in self._transfers], batch_size=1000)
        LedgerEntry.objects.bulk_create(
            (
                LedgerEntry(
                    transfer=row, wallet=self.wallet, pot=one.pot, asset=one.asset,
                    account=one.account, amount=one.amount,
                )
                for row, postings in self._transfers
                for one in postings
            ),
            batch_size=2000,
        )  # fmt: skip
