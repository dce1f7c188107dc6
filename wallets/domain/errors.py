"""Errors of orders and wallets: one exception hierarchy. Errors carry data and a message for users."""

from typing import TYPE_CHECKING

from wallets.domain.denials import Denial

if TYPE_CHECKING:
    from wallets.models import Order


class OrderError(Exception):
    """Base class. `message` is shown to the user."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class OrderInvalid(OrderError):
    """A field of the request is invalid; nothing was stored. `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class OrderDenied(OrderError):
    """The risk check denied the order for one of the reasons in `Denial`.

    `order` is the stored row; None when the request has no price that could be stored.
    """

    def __init__(self, denial: Denial, message: str, order: "Order | None" = None) -> None:
        self.denial = denial
        self.order = order
        super().__init__(message)


class OrderConflict(OrderError):
    """The request conflicts with existing state: a different request under the same id, an order that ended."""


class NotFound(OrderError):
    """The object does not exist or belongs to another user; the message does not tell which."""


class IllegalTransition(OrderError):
    """A bug: the state table has no such transition."""


# --- wallets ------------------------------------------------------------------------------------------
class WalletInvalid(OrderError):
    """A field of a wallet request is invalid; nothing was stored. `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class WalletRejected(OrderError):
    """The operation is not possible for this wallet now, or for any wallet."""
