"""Order services for users, API clients and bots: place, preview and modify. No venue is called here.

Orders are not written to the audit log, because its writers are serialised: an order, its submission, its
fills and its ledger entries are themselves records that cannot be rewritten.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from core.formatting import plain
from market.selectors import instrument_rules
from wallets.domain.errors import NotFound, OrderConflict, OrderError, OrderInvalid
from wallets.domain.position import taken_from_bots
from wallets.domain.requests import OrderRequest
from wallets.domain.risk import Approved, Denied, RiskCheck, fee_estimate, reservation
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Order
from wallets.selectors.ledger_cursor import bots_position, net_position
from wallets.selectors.prices import prices_of
from wallets.selectors.risk_context import wallets_with_states
from wallets.services.dto import Preview
from wallets.services.nudges import execution_nudge
from wallets.services.order_manager import OrderManager, PlaceResult, denial_of

if TYPE_CHECKING:
    from accounts.models import User

BATCH = 20


def order_place(
    *, user: "User", wallet_id: UUID, request: OrderRequest, origin: str, http: HttpRequest | None = None
) -> Order:
    """Place one order: stored as pending, its funds reserved. The existing order for a repeated `client_id`.

    Raises `OrderInvalid`, `OrderDenied`, `OrderConflict` (a different request under the same id) or `NotFound`.
    """
    (outcome,) = orders_place(user=user, wallet_id=wallet_id, requests=[request], origin=origin, http=http)
    if isinstance(outcome, OrderError):
        raise outcome
    return outcome


def orders_place(
    *,
    user: "User",
    wallet_id: UUID,
    requests: Sequence[OrderRequest],
    origin: str,
    http: HttpRequest | None = None,
) -> list[PlaceResult]:
    """Place orders in one transaction, each risk-checked after the ones before it. Raises like `order_place`.

    The whole batch fails only with `OrderInvalid` and `NotFound`; errors of one order are in the list.
    `http` is the HTTP request, if there is one; nothing of it is stored.
    """
    if not 1 <= len(requests) <= BATCH:
        raise OrderInvalid("orders", f"Enter between 1 and {BATCH} orders.")
    prices = prices_of(requests[0].venue)  # from Redis, before anything is locked
    with transaction.atomic():
        manager = OrderManager.open(user=user, wallet_id=wallet_id, prices=prices)
        manager.preload([request.client_id for request in requests])
        outcomes = [manager.place(request, origin) for request in requests]
        manager.flush()
        execution_nudge(wallet_id)
    return outcomes


def order_preview(*, user: "User", wallet_id: UUID, request: OrderRequest) -> Preview:
    """The result of the risk check without placing the order; writes nothing. Raises `OrderInvalid`, `NotFound`."""
    wallet = wallets_with_states().filter(pk=wallet_id, user=user).first()
    if wallet is None:
        raise NotFound("Wallet not found.")
    manager = OrderManager(wallet, prices_of(request.venue), timezone.now())
    checked, row = manager.checked(request)
    result, risk_check = manager.check_risk(checked, instrument_rules(row))
    preview = _preview(result, risk_check)
    if row.kind != "perp":
        return preview
    net, bots = net_position(wallet.pk, row.pk), bots_position(wallet.pk, row.pk)
    return replace(
        preview, taken_from_bots=taken_from_bots(checked.side, checked.size, net=net, bots=bots) or None
    )


def _preview(result: Approved | Denied, risk_check: RiskCheck) -> Preview:
    denial, message = ("", "") if isinstance(result, Approved) else (result.denial.value, result.message)
    if risk_check.price is None:
        return Preview(None, None, None, "", "", None, denial, message)
    account_type, asset, amount = reservation(risk_check)
    return Preview(
        risk_check.price,
        risk_check.notional,
        amount,
        account_type,
        asset,
        fee_estimate(risk_check),
        denial,
        message,
    )


def order_modify(
    *,
    user: "User",
    order_id: UUID,
    client_id: UUID,
    price: Decimal | None = None,
    size: Decimal | None = None,
    http: HttpRequest | None = None,
) -> Order:  # fmt: skip
    """Replace a limit order: returns the new order. `size` is the new order's; default: what remains.

    The old order ends when the venue confirms, and stays open with its reservation if the venue rejects the
    modification. Until then only the difference is reserved. Only limit orders that are not being cancelled
    can be modified. Raises like `order_place`.
    """
    location = (
        Order.objects.filter(pk=order_id, wallet__user=user).values_list("wallet", "wallet__venue").first()
    )
    if location is None:
        raise NotFound("Order not found.")
    wallet_id, venue = location
    prices = prices_of(venue)
    with transaction.atomic():
        manager = OrderManager.open(user=user, wallet_id=wallet_id, prices=prices)
        old = Order.objects.select_related("instrument").get(pk=order_id)
        outcome = _repeated_modification(old, client_id, price, size) or replacement_place(
            manager, old, client_id, price, size
        )
        manager.flush()
        execution_nudge(wallet_id)
    if isinstance(outcome, OrderError):
        raise outcome
    return outcome


def _repeated_modification(
    old: Order, client_id: UUID, price: Decimal | None, size: Decimal | None
) -> PlaceResult | None:
    """The result of the same modification before. Its size may have been the default of that time."""
    existing = (
        Order.objects.select_related("instrument").filter(wallet=old.wallet_id, client_id=client_id).first()
    )
    if existing is None:
        return None
    same = (
        existing.replaces_id == old.pk and price in {None, existing.price} and size in {None, existing.size}
    )
    if not same:
        raise OrderConflict("Another order was placed under this client id.")
    return denial_of(existing) if existing.status == OrderStatus.DENIED else existing


def replacement_place(  # noqa: PLR0913  the terms of a change
    manager: OrderManager,
    old: Order,
    client_id: UUID,
    price: Decimal | None,
    size: Decimal | None,
    provenance: dict[str, Any] | None = None,
    known_filled: Decimal | None = None,
) -> PlaceResult:
    """Place the order that replaces `old`, in a transaction that locks the wallet's row. Raises `OrderConflict`.

    A bot passes its `provenance`. When a user modifies a bot's order, the new order is the user's: the bot
    does not track it and would never cancel it. `size` was decided when `known_filled` of `old` was filled; what
    is filled after that is deducted before the order is sent. A post-only price that would trade at once is refused
    here: the venue would end the old order and reject the new one.
    """
    _check_changeable(manager, old)
    _check_post_only(manager, old, old.price if price is None else price)
    row: Any = old  # its columns hold the domain's literals
    request = OrderRequest(
        client_id=client_id,
        venue=manager.wallet.venue_id,
        symbol=old.instrument.symbol,
        side=row.side,
        kind=row.kind,
        size=old.size - old.filled if size is None else size,
        price=old.price if price is None else price,
        tif=row.tif,
        reduce_only=old.reduce_only,
    )
    taken_over = old.origin == Order.Origin.EXTERNAL or (old.source_id is not None and provenance is None)
    origin = Order.Origin.API if taken_over else old.origin
    request = replace(request, provenance=provenance or request.provenance)
    outcome = manager.place(request, origin, replaces=old)
    if isinstance(outcome, Order) and outcome.replaces_id == old.pk and outcome._state.adding:
        outcome.replaced_filled = old.filled if known_filled is None else known_filled
    if isinstance(outcome, Order) and old.status == OrderStatus.PENDING:
        manager.cancel(old)  # the old order was not sent, so the new one is sent as a new order
    return outcome


def _check_post_only(manager: OrderManager, old: Order, price: Decimal) -> None:
    if old.tif != Order.Tif.ALO:
        return
    symbol = old.instrument.symbol
    is_buy = old.side == Order.Side.BUY
    best = manager.prices.ask(symbol) if is_buy else manager.prices.bid(symbol)
    if best is not None and (price >= best if is_buy else price <= best):
        raise OrderConflict(f"A post-only order at {plain(price)} would trade at once at {plain(best)}.")


def _check_changeable(manager: OrderManager, old: Order) -> None:
    if old.kind != Order.Kind.LIMIT:
        raise OrderConflict("Only limit orders can be modified. Cancel this order and place a new one.")
    if old.tif == Order.Tif.OTHER:
        raise OrderConflict(
            "The time in force of this order is not supported. Cancel it and place a new one."
        )
    if old.status in TERMINAL:
        raise OrderConflict(f"This order is already {old.status}.")
    if old.cancel_requested_at is not None:
        raise OrderConflict("This order is being cancelled.")
    if old.status == OrderStatus.PENDING and old.replaces and old.replaces.status not in TERMINAL:
        # The order that it replaces is still at the venue: a third order would be sent beside it.
        raise OrderConflict("The last change of this order has not been sent yet. Try again in a moment.")
    if manager.is_changing(old):
        raise OrderConflict("This order is already being modified.")
