"""Order of an account: state, flags, and its form in the journal."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from market.domain.events import Side

Purpose = Literal["tp", "sl"]
OPEN = ("open", "triggered")
FIRST_OID = 100_000_000_000  # the population numbers its own orders from 1


class Trigger(NamedTuple):
    """Trigger condition on the mark price; `market` selects a market or a limit order after firing."""

    market: bool
    price: int
    purpose: Purpose


@dataclass(slots=True)
class Order:
    """Order: `price` in units, sizes in lots; `reported_size` is `remaining` at the last change of `status`.

    An order waits outside the book while it is `armed` (for the mark price) or `dormant` (for its parent
    to be filled).
    """

    oid: int
    owner: str
    coin: str
    side: Side
    price: int
    size: int
    remaining: int
    tif: str
    time: int
    reduce_only: bool = False
    cloid: str | None = None
    trigger: Trigger | None = None
    armed: bool = False
    dormant: bool = False
    follows: bool = False  # its size is that of the position
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    group: int | None = None  # siblings: the fill of one cancels the others
    builder: tuple[str, int] | None = None
    twap: int | None = None
    liquidation: dict[str, Any] | None = None
    status: str = "open"
    status_time: int = 0
    reported_size: int = 0
    filled: int = 0

    @property
    def live(self) -> bool:
        return self.status in OPEN

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def rests(self) -> bool:
        """Whether the order is in the order book, rather than waiting outside it."""
        return self.live and not self.armed and not self.dormant

    def dump(self) -> dict[str, Any]:
        saved = {name: getattr(self, name) for name in _NAMES}
        return saved | {"trigger": list(self.trigger) if self.trigger else None}


_NAMES = tuple(item.name for item in fields(Order))


def order_load(saved: dict[str, Any]) -> Order:
    """The order restored from a `dump`."""
    order = Order(**saved)
    order.trigger = Trigger(*saved["trigger"]) if saved["trigger"] else None
    order.builder = (saved["builder"][0], saved["builder"][1]) if saved["builder"] else None
    return order
