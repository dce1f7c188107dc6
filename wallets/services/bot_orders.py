"""Orders of a bot: what one decision asks for, inside the transaction that stores the decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from wallets.domain.errors import NotFound, OrderConflict
from wallets.domain.requests import OrderRequest
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Order, Wallet
from wallets.selectors.prices import Prices
from wallets.services.nudges import execution_nudge
from wallets.services.order_manager import Desk, Outcome
from wallets.services.orders import order_replace

ORIGIN = "bot"


@dataclass(frozen=True, slots=True)
class Ask:
    """Place `order`, or put it in the place of the order `former`, or cancel `former`: client ids."""

    order: OrderRequest | None = None
    former: UUID | None = None


def wallet_hold(*, user: Any, wallet_id: UUID) -> None:
    """Lock the wallet's row before `asks_carry_out` does, to look at its books. Raises `NotFound`."""
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    if not wallets.filter(pk=wallet_id, user=user):
        raise NotFound("There is no such wallet.")


def asks_carry_out(*, user: Any, wallet_id: UUID, source: UUID, asks: Sequence[Ask], prices: Prices) -> bool:
    """In order, each judged after the ones before it; call it inside a transaction.

    Locks the wallet's row, so it comes before every other lock of that transaction. Repeating the same
    asks changes nothing. True: the source has to look up what came of them, since one was denied, was no
    order, or has ended already; it is not woken for what it asked for itself. Raises `NotFound` when the
    wallet is not the user's.
    """
    desk = Desk.open(user=user, wallet_id=wallet_id, prices=prices, source=source)
    desk.look({one for ask in asks for one in (ask.former, ask.order and ask.order.client_id) if one})
    news = [_carry_out(desk, ask) for ask in asks]
    desk.close()
    execution_nudge(wallet_id)
    return any(news)


def _carry_out(desk: Desk, ask: Ask) -> bool:
    """Is there more to know than that it was asked for?"""
    former = desk.known(ask.former) if ask.former else None
    if former is not None and former.source_id != desk.source:
        former = None
    if ask.order is None:
        if ask.former is None:
            raise ValueError("an ask without an order")
        if former is not None and former.status not in TERMINAL:
            desk.cancel(former)
        return former is not None and former.status in TERMINAL
    outcome = desk.place(ask.order, ORIGIN) if ask.former is None else _move(desk, former, ask.order)
    waits = isinstance(outcome, Order) and outcome.status == OrderStatus.PENDING
    return not waits or (former is not None and former.status in TERMINAL)


def _move(desk: Desk, former: Order | None, order: OrderRequest) -> Outcome:
    if former is None:
        return OrderConflict("The order that was to be changed is not there.")
    try:
        known = desk.repeated(order)
        return known or order_replace(desk, former, order.client_id, order.price, order.size, order.why)
    except OrderConflict as error:
        return error
