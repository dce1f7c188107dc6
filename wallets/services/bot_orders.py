"""Order commands of a bot: executed inside the transaction that stores the bot's decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from wallets.domain.errors import NotFound, OrderConflict
from wallets.domain.requests import OrderRequest
from wallets.domain.status import TERMINAL, OrderStatus
from wallets.models import Order, Wallet
from wallets.selectors.prices import Prices
from wallets.services.nudges import execution_nudge
from wallets.services.order_manager import OrderManager, PlaceResult
from wallets.services.orders import replacement_place

if TYPE_CHECKING:
    from accounts.models import User

ORIGIN = "bot"


@dataclass(frozen=True, slots=True)
class OrderCommand:
    """Place `order`; or replace the order `replaces` (client id) with it; or, without `order`, cancel `replaces`.

    `known_filled`: the filled size of the replaced order that the bot knew when it decided.
    """

    order: OrderRequest | None = None
    replaces: UUID | None = None
    known_filled: Decimal | None = None


def wallet_lock(*, user: "User", wallet_id: UUID) -> None:
    """Lock the wallet's row before `order_commands_execute` does, to read its state. Raises `NotFound`."""
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    if not wallets.filter(pk=wallet_id, user=user):
        raise NotFound("Wallet not found.")


def order_commands_execute(
    *, user: "User", wallet_id: UUID, source: UUID, commands: Sequence[OrderCommand], prices: Prices
) -> bool:
    """Execute commands in order, each risk-checked after the ones before it; call it inside a transaction.

    Locks the wallet's row, so it must come before every other lock of that transaction. Repeating the same
    commands changes nothing. Returns True when the bot has to read the results, because an order was denied,
    invalid or has already ended; the bot is not woken for its own commands. Raises `NotFound` when the wallet
    is not the user's.
    """
    manager = OrderManager.open(user=user, wallet_id=wallet_id, prices=prices, source=source)
    manager.preload(
        {
            client_id
            for command in commands
            for client_id in (command.replaces, command.order and command.order.client_id)
            if client_id
        }
    )
    changed = [_execute(manager, command) for command in commands]
    manager.flush()
    execution_nudge(wallet_id)
    return any(changed)


def _execute(manager: OrderManager, command: OrderCommand) -> bool:
    """Execute one command. Returns True when the result is anything but a pending order or a new cancel."""
    replaced = manager.order_by_client_id(command.replaces) if command.replaces else None
    if replaced is not None and replaced.source_id != manager.source:
        replaced = None
    if command.order is None:
        if command.replaces is None:
            raise ValueError("a command without an order")
        if replaced is not None and replaced.status not in TERMINAL:
            manager.cancel(replaced)
        return replaced is not None and replaced.status in TERMINAL
    outcome = (
        manager.place(command.order, ORIGIN)
        if command.replaces is None
        else _modify(manager, replaced, command.order, command.known_filled)
    )
    pending = isinstance(outcome, Order) and outcome.status == OrderStatus.PENDING
    return not pending or (replaced is not None and replaced.status in TERMINAL)


def _modify(
    manager: OrderManager, replaced: Order | None, order: OrderRequest, known_filled: Decimal | None
) -> PlaceResult:
    if replaced is None:
        return OrderConflict("The order to modify was not found.")
    try:
        existing = manager.duplicate_of(order)
        return existing or replacement_place(
            manager, replaced, order.client_id, order.price, order.size, order.provenance, known_filled
        )
    except OrderConflict as error:
        return error
