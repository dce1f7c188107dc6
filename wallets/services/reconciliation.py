"""Reconciliation: the execution worker's service that compares ledger and orders with a venue snapshot."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.formatting import plain
from core.leases import Claim
from market.domain.orders import AccountType, VenueFill, VenueFunding, VenueMovement, VenuePosition
from wallets.domain import ledger
from wallets.domain.ledger import LedgerAccount
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.reconciliation import (
    ApplyEvent,
    LocalOrder,
    LocalState,
    QueryOrder,
    Reopen,
    RetryCancel,
    VenueSnapshot,
    cash_difference,
    is_stable,
    reconcile,
    ref_of,
    size_difference,
    sizes,
)
from wallets.domain.risk_context import default_leverage
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Balance, LedgerTransaction, Order, Position, Submission, Wallet
from wallets.services.account_event_applier import AccountEventApplier, is_incomplete
from wallets.services.dto import InFlightOrder, ReconcileResult
from wallets.services.in_flight import in_flight_order
from wallets.services.submission_builder import from_ms
from wallets.services.submissions import fenced_wallet
from wallets.services.unit_of_work import WalletUnitOfWork
from wallets.services.user_events import alert_event, wallet_event

ZERO = Decimal(0)
DUST = Decimal("0.01")  # in quote units, of a flat position's cost: the venue rounds its PnL
EVENT_KINDS = (LedgerTransaction.Kind.FILL, LedgerTransaction.Kind.FUNDING, LedgerTransaction.Kind.MOVEMENT)
RECENT_ORDERS = 50
CLOCK_TOLERANCE = timedelta(seconds=5)
REREAD_MS = 24 * 3600 * 1000  # ms for which events that could not be decoded are read again


def account_reconcile(*, claim: Claim, snapshot: VenueSnapshot) -> ReconcileResult:
    """Apply missing events, adopt external orders, list orders to query. Repeating a snapshot changes nothing.

    The first reconciliation of a wallet applies the whole history; the rest is its opening balance, posted
    against `external`. Later differences are only shown as the residual.
    """
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        books = WalletUnitOfWork(wallet, timezone.now())
        live = {order.pk: order for order in books.track_orders(_live(wallet))}
        applier = AccountEventApplier(books, [order.venue_id for order in snapshot.open_orders])
        to_query = _apply_actions(books, applier, live, snapshot)
        _end_history(books, applier, snapshot)
        newest = max([_newest(wallet), *(event.time for event in _events(snapshot))])
        stable = is_stable(snapshot, newest)
        if snapshot.problem and snapshot.problem[:300] != wallet.venue_problem:
            books.events.append(alert_event(wallet, "warning", snapshot.problem))
        events = books.commit()
        unit_after = WalletUnitOfWork(wallet, books.now)  # reads the balances just written
        _positions_update(unit_after, snapshot)
        residual = _residual(unit_after, snapshot, books.now) if stable else dict(wallet.residual)
        _wallet_update(wallet, snapshot, applier, books.now, residual)
        return ReconcileResult(
            [*events, *unit_after.commit(), wallet_event(wallet)], to_query, stable, residual
        )


# --- events -------------------------------------------------------------------------------------------
def _live(wallet: Wallet) -> list[Order]:
    orders = Order.objects.filter(wallet=wallet, status__in=LIVE)
    return list(orders.select_related("instrument", "cancel_submission").order_by("created_at"))


def _events(snapshot: VenueSnapshot) -> Sequence[VenueFill | VenueFunding | VenueMovement]:
    return (*snapshot.fills, *snapshot.fundings, *snapshot.movements)


def _local_state(wallet: Wallet, live: dict[Any, Order], snapshot: VenueSnapshot) -> LocalState:
    refs = {ref_of(event) for event in _events(snapshot)}
    stored = LedgerTransaction.objects.filter(wallet=wallet, ref__in=refs).values_list("ref", flat=True)
    ended = _ended(wallet, snapshot)
    return LocalState([_local_order(order) for order in live.values()], frozenset(stored), ended)


def _ended(wallet: Wallet, snapshot: VenueSnapshot) -> list[LocalOrder]:
    """Orders that the venue lists as open and that ended here before the snapshot."""
    listed = Q(venue_order_id__in={order.venue_id for order in snapshot.open_orders}) | Q(
        venue_order_id="",
        venue_client_id__in={order.client_id for order in snapshot.open_orders if order.client_id},
    )
    before = from_ms(snapshot.before.time) - CLOCK_TOLERANCE
    ended = Order.objects.filter(listed, wallet=wallet, status__in=TERMINAL, ended_at__lt=before)
    return [_local_order(order) for order in ended.select_related("cancel_submission")]


def _local_order(order: Order) -> LocalOrder:
    cancel = order.cancel_submission
    answered = cancel is not None and cancel.outcome != Submission.Outcome.IN_FLIGHT
    status = OrderStatus(order.status)
    incomplete = is_incomplete(order)
    return LocalOrder(order.pk, order.venue_order_id, order.venue_client_id, status, answered, incomplete)


def _apply_actions(
    books: WalletUnitOfWork, applier: AccountEventApplier, live: dict[Any, Order], snapshot: VenueSnapshot
) -> list[InFlightOrder]:
    actions = reconcile(_local_state(books.wallet, live, snapshot), snapshot)
    applier.apply([action.event for action in actions if isinstance(action, ApplyEvent)])
    for action in actions:
        if isinstance(action, RetryCancel):
            order = live[action.order_id]
            order.cancel_submission = None
            books.order_changed(order)
        elif isinstance(action, Reopen):
            applier.reopen(action.order)
    to_query = [live[action.order_id] for action in actions if isinstance(action, QueryOrder)]
    return [
        in_flight_order(order) for order in to_query if order.status in LIVE
    ]  # a missing fill may have ended it


def _end_history(books: WalletUnitOfWork, applier: AccountEventApplier, snapshot: VenueSnapshot) -> None:
    """Finish orders known from old fills only and not open: the venue need not be queried for them."""
    still_open = {order.venue_id for order in snapshot.open_orders}
    recent = {fill.venue_id for fill in snapshot.fills if fill.time > snapshot.before.time}
    for venue_id, order in applier.from_fills.items():
        if venue_id not in still_open | recent:
            books.order_transition(order, OrderEvent.FILLED)


def _newest(wallet: Wallet) -> int:
    """The venue time (ms) of the newest applied event, among the last stored ones."""
    stored = LedgerTransaction.objects.filter(wallet=wallet, kind__in=EVENT_KINDS).order_by("-pk")
    return max(stored.values_list("time", flat=True)[:RECENT_ORDERS], default=0)


# --- positions ----------------------------------------------------------------------------------------
def _positions_update(books: WalletUnitOfWork, snapshot: VenueSnapshot) -> None:
    """Store leverage, margin and liquidation price from the snapshot; sizes are the sums of fills."""
    after = snapshot.after
    venue_positions = {position.symbol: position for position in after.positions}
    leverages: Mapping[str, int] = {
        **(after.leverages or {}), **{one.symbol: one.leverage for one in after.positions}
    }  # fmt: skip
    rows = {row.instrument.symbol: row for row in books.positions()}
    books.instruments_load({*venue_positions, *leverages})
    for symbol in {*venue_positions, *leverages, *rows}:
        instrument = books.instrument(symbol)
        if instrument is None:
            continue
        leverage = leverages.get(symbol)
        is_default = leverage is None or leverage == default_leverage(instrument.max_leverage)
        is_left_out = after.rejected and symbol not in venue_positions  # its row may have been left out
        if not is_left_out and (symbol in rows or symbol in venue_positions or not is_default):
            _position_update(books, books.position(instrument), venue_positions.get(symbol), leverage)


def _position_update(
    books: WalletUnitOfWork, row: Position, reported: VenuePosition | None, leverage: int | None
) -> None:
    values = {
        "leverage": leverage or row.leverage,
        "isolated": reported.mode == "isolated" if reported else row.isolated,
        "margin_used": reported.margin_used if reported else ZERO,
        "liquidation_price": reported.liquidation_price if reported else None,
    }
    if any(getattr(row, name) != value for name, value in values.items()) or row._state.adding:
        for name, value in values.items():
            setattr(row, name, value)
        books.position_changed(row)


# --- residual -----------------------------------------------------------------------------------------
def _residual(books: WalletUnitOfWork, snapshot: VenueSnapshot, now: datetime) -> dict[str, str]:
    """The residual. At the first reconciliation differences become the opening balance."""
    wallet = books.wallet
    rows = {row.instrument.symbol: row for row in books.positions()}
    local_sizes = {symbol: row.size for symbol, row in rows.items()}
    cash = cash_difference(_cash(wallet), snapshot.after.cash)
    sizes_off = size_difference(local_sizes, sizes(snapshot.after))
    if wallet.ledger_opened_at is None:
        wallet.ledger_opened_at = now
        sizes_off = _positions_open(books, sizes_off, snapshot)
        for (account_type, asset), amount in cash.items():
            kind = LedgerTransaction.Kind.OPENING
            row = LedgerTransaction(ref=f"{kind}:{account_type}:{asset}", kind=kind, time=snapshot.after.time)
            books.post(row, ledger.opening(account_type, asset, amount))
        cash = {}
    _flat_costs(books, rows)
    return {
        **{f"{account_type}:{asset}": plain(amount) for (account_type, asset), amount in cash.items()},
        **{f"position:{symbol}": plain(size) for symbol, size in sizes_off.items()},
    }


def _cash(wallet: Wallet) -> dict[tuple[AccountType, str], Decimal]:
    owned = Balance.objects.filter(
        wallet=wallet, account__in=(LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)
    )
    cash: dict[tuple[AccountType, str], Decimal] = {}
    for row in owned:
        key = (cast("AccountType", row.account_type), row.asset)
        cash[key] = cash.get(key, ZERO) + row.amount
    return cash


def _positions_open(
    books: WalletUnitOfWork, sizes_off: dict[str, Decimal], snapshot: VenueSnapshot
) -> dict[str, Decimal]:
    """Open positions older than the venue's history as in the snapshot. Returns differences not explained."""
    venue_positions = {position.symbol: position for position in snapshot.after.positions}
    unexplained = {}
    for symbol, difference in sizes_off.items():
        instrument = books.instrument(symbol)
        if instrument is None:
            unexplained[symbol] = difference
            continue
        row = books.position(instrument)
        reported = venue_positions.get(symbol)
        row.size, row.cost = (reported.size, reported.cost) if reported else (ZERO, ZERO)
        books.position_changed(row)
    return unexplained


def _flat_costs(books: WalletUnitOfWork, rows: Mapping[str, Position]) -> None:
    """Set the cost of flat positions to zero. More than a rounding difference causes an alert."""
    for symbol, row in rows.items():
        if row.size == 0 and row.cost != 0:
            if abs(row.cost) >= DUST:
                text = f"Position {symbol} is flat, but its fills leave a cost of {plain(row.cost)}."
                books.events.append(alert_event(books.wallet, "warning", text))
            row.cost = ZERO
            books.position_changed(row)


def _wallet_update(
    wallet: Wallet,
    snapshot: VenueSnapshot,
    applier: AccountEventApplier,
    now: datetime,
    residual: dict[str, str],
) -> None:
    """`events_synced_until` stays before events that could not be applied, so that they are read again.

    Events that could not be decoded are read again for a day.
    """
    missed = [event.time for event in applier.missed]
    until = min([snapshot.before.time, *(time - 1 for time in missed)])
    if snapshot.rejected_events:
        until = min(until, snapshot.before.time - REREAD_MS)
    wallet.venue_problem = snapshot.problem[:300]
    wallet.events_synced_until = max(wallet.events_synced_until, until)
    wallet.residual = residual
    wallet.equity = snapshot.after.equity
    wallet.reconciled_at = now
    wallet.save(
        update_fields=[
            "events_synced_until",
            "residual",
            "equity",
            "reconciled_at",
            "ledger_opened_at",
            "venue_problem",
        ]
    )
