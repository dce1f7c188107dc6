"""An order of an account, from its placing to its end."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from market.domain.events import Side

Purpose = Literal["tp", "sl"]
OPEN = ("open", "triggered")
FIRST_OID = 100_000_000_000  # the population numbers its own orders from 1


class Trigger(NamedTuple):
    """Waits for the mark price; then it is a market order or a limit order."""

    market: bool
    price: int
    purpose: Purpose


@dataclass(slots=True)
class Order:
    """`price` in units and sizes in lots. `left` is what is open, `shown` what it was when `status` changed.

    An order waits outside the book while it is `armed` (for the mark price) or `dormant` (for its parent
    to be filled).
    """

    oid: int
    owner: str
    coin: str
    side: Side
    price: int
    size: int
    left: int
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
    shown: int = 0
    filled: int = 0

    @property
    def live(self) -> bool:
        return self.status in OPEN

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def rests(self) -> bool:
        """In the book, rather than waiting outside it."""
        return self.live and not self.armed and not self.dormant

    def dump(self) -> dict[str, Any]:
        saved = {name: getattr(self, name) for name in _NAMES}
        return saved | {"trigger": list(self.trigger) if self.trigger else None}


_NAMES = tuple(item.name for item in fields(Order))


def order_load(saved: dict[str, Any]) -> Order:
    """The order of a `dump`."""
    order = Order(**saved)
    order.trigger = Trigger(*saved["trigger"]) if saved["trigger"] else None
    order.builder = (saved["builder"][0], saved["builder"][1]) if saved["builder"] else None
    return order
