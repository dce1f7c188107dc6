"""For `execution`: hold the books against what the venue says the account is."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from market.domain.formatting import plain
from market.domain.orders import Pot, VenueFill, VenueFunding, VenueMovement, VenuePosition
from market.leases import Claim
from wallets.domain import ledger
from wallets.domain.ledger import Account
from wallets.domain.lifecycle import OrderEvent
from wallets.domain.reconciliation import (
    Ask,
    Book,
    CancelAgain,
    Known,
    KnownOrder,
    Picture,
    Reopen,
    cash_difference,
    is_quiet,
    reconcile,
    ref_of,
    size_difference,
    sizes,
)
from wallets.domain.risk_context import usual_leverage
from wallets.domain.status import LIVE, TERMINAL, OrderStatus
from wallets.models import Balance, LedgerTransfer, Order, Position, Submission
from wallets.services.account_event_applier import Facts, is_vague
from wallets.services.dto import Doubt, Reconciled
from wallets.services.in_flight import doubt_of
from wallets.services.submission_builder import instant
from wallets.services.submissions import wallet_of
from wallets.services.unit_of_work import Books
from wallets.services.user_events import alert_event, wallet_event

ZERO = Decimal(0)
DUST = Decimal("0.01")  # of a flat position's cost: the venue rounds its profits
TOLD = (LedgerTransfer.Kind.FILL, LedgerTransfer.Kind.FUNDING, LedgerTransfer.Kind.MOVEMENT)
NEWEST = 50
CLOCKS_DIFFER = timedelta(seconds=5)


def account_reconcile(*, claim: Claim, picture: Picture) -> Reconciled:
    """Book what is missing, adopt what is not ours, say what to ask. Twice the same picture is once.

    A wallet that was never opened takes everything since the beginning of time; what then remains is
    what was there before us, booked against `external`. Later differences are only shown.
    """
    with transaction.atomic():
        wallet = wallet_of(claim)
        books = Books(wallet, timezone.now())
        live = {order.pk: order for order in books.orders_know(_live(wallet))}
        facts = Facts(books)
        asked = _act(books, facts, live, picture)
        _end_history(books, facts, picture)
        newest = max([_newest(wallet), *(fact.time for fact in _told(picture))])
        quiet = is_quiet(picture, newest)
        events = books.close()
        second = Books(wallet, books.now)  # what follows reads the balances that were just written
        _positions_learn(second, picture)
        residual = _hold_against(second, picture, books.now) if quiet else dict(wallet.residual)
        _wallet_learn(wallet, picture, facts, books.now, residual)
        return Reconciled([*events, *second.close(), wallet_event(wallet)], asked, quiet, residual)


# --- facts -----------------------------------------------------------------------------------------
def _live(wallet: Any) -> list[Order]:
    orders = Order.objects.filter(wallet=wallet, status__in=LIVE)
    return list(orders.select_related("instrument", "cancel_submission").order_by("created_at"))


def _told(picture: Picture) -> Sequence[VenueFill | VenueFunding | VenueMovement]:
    return (*picture.fills, *picture.fundings, *picture.movements)


def _known(wallet: Any, live: dict[Any, Order], picture: Picture) -> Known:
    refs = {ref_of(fact) for fact in _told(picture)}
    booked = LedgerTransfer.objects.filter(wallet=wallet, ref__in=refs).values_list("ref", flat=True)
    over = _over(wallet, picture)
    return Known([_known_order(order) for order in live.values()], frozenset(booked), over)


def _over(wallet: Any, picture: Picture) -> list[KnownOrder]:
    """Orders that the venue lists as open and that ended with us before it was asked."""
    listed = Q(venue_order_id__in={order.venue_id for order in picture.open_orders}) | Q(
        venue_order_id="",
        venue_client_id__in={order.client_id for order in picture.open_orders if order.client_id},
    )
    before = instant(picture.before.time) - CLOCKS_DIFFER
    ended = Order.objects.filter(listed, wallet=wallet, status__in=TERMINAL, ended_at__lt=before)
    return [_known_order(order) for order in ended.select_related("cancel_submission")]


def _known_order(order: Order) -> KnownOrder:
    cancel = order.cancel_submission
    answered = cancel is not None and cancel.outcome != Submission.Outcome.OUT
    status = OrderStatus(order.status)
    vague = is_vague(order)
    return KnownOrder(order.pk, order.venue_order_id, order.venue_client_id, status, answered, vague)


def _act(books: Books, facts: Facts, live: dict[Any, Order], picture: Picture) -> list[Doubt]:
    actions = reconcile(_known(books.wallet, live, picture), picture)
    facts.apply([action.fact for action in actions if isinstance(action, Book)])
    for action in actions:
        if isinstance(action, CancelAgain):
            order = live[action.order_id]
            order.cancel_submission = None
            books.order_changed(order)
        elif isinstance(action, Reopen):
            facts.reopen(action.order)
    asked = [live[action.order_id] for action in actions if isinstance(action, Ask)]
    return [doubt_of(order) for order in asked if order.status in LIVE]  # a missed fill may have ended it


def _end_history(books: Books, facts: Facts, picture: Picture) -> None:
    """Orders known from old fills alone, and not open: nobody needs to be asked how they ended."""
    still_open = {order.venue_id for order in picture.open_orders}
    recent = {fill.venue_id for fill in picture.fills if fill.time > picture.before.time}
    for venue_id, order in facts.from_fills.items():
        if venue_id not in still_open | recent:
            books.order_move(order, OrderEvent.FILLED_WHOLLY)


def _newest(wallet: Any) -> int:
    """The venue's time of the newest event in the books, by what was booked last."""
    booked = LedgerTransfer.objects.filter(wallet=wallet, kind__in=TOLD).order_by("-pk")
    return max(booked.values_list("time", flat=True)[:NEWEST], default=0)


# --- what the venue says of positions --------------------------------------------------------------
def _positions_learn(books: Books, picture: Picture) -> None:
    """Leverage, margin and liquidation price are the venue's to say; sizes are the sums of fills."""
    after = picture.after
    told = {position.symbol: position for position in after.positions}
    leverages: Mapping[str, int] = {
        **(after.leverages or {}), **{one.symbol: one.leverage for one in after.positions}
    }  # fmt: skip
    rows = {row.instrument.symbol: row for row in books.positions()}
    books.instruments_load({*told, *leverages})
    for symbol in {*told, *leverages, *rows}:
        instrument = books.instrument(symbol)
        if instrument is None:
            continue
        leverage = leverages.get(symbol)
        usual = leverage is None or leverage == usual_leverage(instrument.max_leverage)
        if symbol in rows or symbol in told or not usual:
            _position_learn(books, books.position(instrument), told.get(symbol), leverage)


def _position_learn(books: Books, row: Position, told: VenuePosition | None, leverage: int | None) -> None:
    learnt = {
        "leverage": leverage or row.leverage,
        "isolated": told.mode == "isolated" if told else row.isolated,
        "margin_used": told.margin_used if told else ZERO,
        "liquidation_price": told.liquidation_price if told else None,
    }
    if any(getattr(row, name) != value for name, value in learnt.items()) or row._state.adding:
        for name, value in learnt.items():
            setattr(row, name, value)
        books.position_changed(row)


# --- what is left ----------------------------------------------------------------------------------
def _hold_against(books: Books, picture: Picture, now: datetime) -> dict[str, str]:
    """The residual; when the account is opened, what was there before becomes its opening balance."""
    wallet = books.wallet
    rows = {row.instrument.symbol: row for row in books.positions()}
    held = {symbol: row.size for symbol, row in rows.items()}
    cash = cash_difference(_cash(wallet), picture.after.cash)
    lots = size_difference(held, sizes(picture.after))
    if wallet.opened_at is None:
        wallet.opened_at = now
        lots = _positions_open(books, lots, picture)
        for (pot, asset), amount in cash.items():
            kind = LedgerTransfer.Kind.OPENING
            row = LedgerTransfer(ref=f"{kind}:{pot}:{asset}", kind=kind, time=picture.after.time)
            books.post(row, ledger.opening(pot, asset, amount))
        cash = {}
    _flat_costs(books, rows)
    return {
        **{f"{pot}:{asset}": plain(amount) for (pot, asset), amount in cash.items()},
        **{f"position:{symbol}": plain(size) for symbol, size in lots.items()},
    }


def _cash(wallet: Any) -> dict[tuple[Pot, str], Decimal]:
    owned = Balance.objects.filter(wallet=wallet, account__in=(Account.AVAILABLE, Account.RESERVED))
    cash: dict[tuple[Pot, str], Decimal] = {}
    for row in owned:
        key = (cast("Pot", row.pot), row.asset)
        cash[key] = cash.get(key, ZERO) + row.amount
    return cash


def _positions_open(books: Books, lots: dict[str, Decimal], picture: Picture) -> dict[str, Decimal]:
    """Positions older than the history that the venue keeps begin as it says. Returns what it cannot say."""
    told = {position.symbol: position for position in picture.after.positions}
    unexplained = {}
    for symbol, difference in lots.items():
        instrument = books.instrument(symbol)
        if instrument is None:
            unexplained[symbol] = difference
            continue
        row = books.position(instrument)
        venue = told.get(symbol)
        row.size, row.cost = (venue.size, venue.cost) if venue else (ZERO, ZERO)
        books.position_changed(row)
    return unexplained


def _flat_costs(books: Books, rows: Mapping[str, Position]) -> None:
    """A flat position costs nothing. What rounding left over is dropped; more than that is told."""
    for symbol, row in rows.items():
        if row.size == 0 and row.cost != 0:
            if abs(row.cost) >= DUST:
                text = f"{symbol} is flat, but its fills leave a cost of {plain(row.cost)}."
                books.events.append(alert_event(books.wallet, "warning", text))
            row.cost = ZERO
            books.position_changed(row)


def _wallet_learn(
    wallet: Any, picture: Picture, facts: Facts, now: datetime, residual: dict[str, str]
) -> None:
    """`facts_until` stops before what could not be booked, so that it is asked for again."""
    missed = [fact.time for fact in facts.missed]
    until = min([picture.before.time, *(time - 1 for time in missed)])
    wallet.facts_until = max(wallet.facts_until, until)
    wallet.residual = residual
    wallet.equity = picture.after.equity
    wallet.reconciled_at = now
    wallet.save(update_fields=["facts_until", "residual", "equity", "reconciled_at", "opened_at"])
