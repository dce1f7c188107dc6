"""Errors of orders and wallets: one exception hierarchy. Errors carry data and a message for users."""

from typing import TYPE_CHECKING

from wallets.domain.denials import Denial

if TYPE_CHECKING:
    from wallets.models import Order


class OrderError(Exception):
    """Base class. `sentence` is the message for users."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class OrderInvalid(OrderError):
    """A field of the request is invalid; nothing was stored. `field` is its name."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


class OrderDenied(OrderError):
    """The risk check denied the order for one of the reasons in `Denial`.

    `order` is the stored row; None when the request has no price that could be stored.
    """

    def __init__(self, denial: Denial, sentence: str, order: "Order | None" = None) -> None:
        self.denial = denial
        self.order = order
        super().__init__(sentence)


class OrderConflict(OrderError):
    """The request conflicts with existing state: a different request under the same id, an order that ended."""


class NotFound(OrderError):
    """The object does not exist or belongs to another user; the message does not tell which."""


class IllegalTransition(OrderError):
    """A bug: the state table has no such transition."""


# --- wallets ------------------------------------------------------------------------------------------
class WalletInvalid(OrderError):
    """A field of a wallet request is invalid; nothing was stored. `field` is its name."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


class WalletRejected(OrderError):
    """The operation is not possible for this wallet now, or for any wallet."""
