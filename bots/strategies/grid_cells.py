"""Grid cells: the lines of a grid, the cells between them, and the inventory of each cell."""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from bots.sdk import InstrumentRules, JsonValue

ZERO = Decimal(0)


class Spacing(NamedTuple):
    """Spacing of the lines: line 0 is `lower`, line `cells` is `upper`; numbering continues at both ends."""

    lower: Decimal
    upper: Decimal
    cells: int
    kind: str


class Cell(NamedTuple):
    """The range between two neighbouring lines."""

    number: int
    low: Decimal
    high: Decimal


def line_price(spacing: Spacing, number: int) -> Decimal:
    """The price of a line, unrounded."""
    lower, upper, cells, kind = spacing
    if kind == "arithmetic":
        return lower + (upper - lower) * number / cells
    return lower * ((upper / lower).ln() * number / cells).exp()


@lru_cache(maxsize=4096)
def cells_of(spacing: Spacing, first: int, rules: InstrumentRules) -> tuple[Cell, ...]:
    """The cells from number `first` on, at valid prices, without cells that round to 0 or to an empty range."""
    numbers = range(first, first + spacing.cells + 1)
    prices = [(n, line_price(spacing, n)) for n in numbers]
    valid = [(n, rules.round_price(price)) for n, price in prices if price > 0]
    return tuple(Cell(n, low, high) for (n, low), (_, high) in pairwise(valid) if 0 < low < high)


def level_ids(number: int) -> tuple[str, str]:
    """The level ids of a cell's opening and closing order."""
    name = str(number).replace("-", "m")
    return f"o_{name}", f"c_{name}"


def number_of(level_id: str) -> int:
    """The cell number of a level id."""
    return int(level_id[2:].replace("m", "-"))


class CellInventory:
    """Inventory of the cells, and cells that the start order has yet to fill. A view of strategy state."""

    def __init__(self, state: dict[str, JsonValue]) -> None:
        self.state: dict[str, Any] = state

    def begin(self, basis: str, size: Decimal, anchor: Decimal) -> None:
        """Reset the state for a new grid."""
        self.state.update(basis=basis, size=size, anchor=anchor, first=0, held={}, owed=[], at=None)

    @property
    def size(self) -> Decimal:
        """Size of a full cell."""
        size: Decimal = self.state["size"]
        return size

    @property
    def anchor(self) -> Decimal:
        """Mid price at the start of the grid; a neutral grid is short above it."""
        anchor: Decimal = self.state["anchor"]
        return anchor

    @property
    def first(self) -> int:
        """Number of the lowest cell."""
        return int(self.state["first"])

    @property
    def pending_start(self) -> list[int]:
        """Numbers of the cells that the start order has yet to fill."""
        pending: list[int] = self.state["owed"]
        return pending

    def held_at(self, number: int) -> Decimal:
        """Size held by a cell."""
        held: Decimal = self.state["held"].get(str(number), ZERO)
        return held

    def set_held(self, number: int, size: Decimal) -> None:
        """Store the size of a cell; empty cells are not stored."""
        self.state["held"].pop(str(number), None)
        if size > 0:
            self.state["held"][str(number)] = size

    def distribute(self, amount: Decimal, numbers: Sequence[int]) -> Decimal:
        """Distribute an amount over cells, each up to its size. Returns the rest."""
        for number in numbers:
            part = max(min(amount, self.size - self.held_at(number)), ZERO)
            self.set_held(number, self.held_at(number) + part)
            amount -= part
        return amount

    def shift(self, by: int, cells: int) -> None:
        """Move the grid by one cell; the inventory of the dropped cell goes to the new one at the other end."""
        dropped, added = (
            (self.first, self.first + cells) if by > 0 else (self.first + cells - 1, self.first - 1)
        )
        held = self.held_at(dropped)
        self.set_held(dropped, ZERO)
        self.set_held(added, held)
        self.state["first"] = self.first + by
