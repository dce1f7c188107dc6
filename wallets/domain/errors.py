"""What can be wrong with what somebody asks for: one tree. Errors carry data and write their own sentence."""

from typing import Any

from wallets.domain.denials import Denial


class OrderError(Exception):
    """Root of this tree. `sentence` is for people."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class OrderInvalid(OrderError):
    """A field is not what it has to be; nothing was stored. `field` is a field of the request."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        super().__init__(sentence)


class OrderDenied(OrderError):
    """We said no, for one of the reasons in `Denial`.

    `order` is the row that remembers it; None when the request named no price that could be stored.
    """

    def __init__(self, denial: Denial, sentence: str, order: Any = None) -> None:
        self.denial = denial
        self.order = order
        super().__init__(sentence)


class OrderConflict(OrderError):
    """What was asked for contradicts what is there: another body under the same id, an order that ended."""


class NotFound(OrderError):
    """There is no such thing, or it is somebody else's: nobody learns which."""


class IllegalMove(OrderError):
    """A bug of ours: the state table has no such move."""
