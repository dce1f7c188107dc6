"""Lines, the cells between them, and what each cell holds, kept in a strategy's state."""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from bots.sdk import Plain, Rules

ZERO = Decimal(0)


class Spacing(NamedTuple):
    """How lines lie: line 0 is `lower`, line `cells` is `upper`, and they go on at both ends."""

    lower: Decimal
    upper: Decimal
    cells: int
    kind: str


class Cell(NamedTuple):
    number: int
    low: Decimal
    high: Decimal


def line(spacing: Spacing, number: int) -> Decimal:
    """The price of a line, unrounded."""
    lower, upper, cells, kind = spacing
    if kind == "arithmetic":
        return lower + (upper - lower) * number / cells
    return lower * ((upper / lower).ln() * number / cells).exp()


@lru_cache(maxsize=4096)
def cells_of(spacing: Spacing, first: int, rules: Rules) -> tuple[Cell, ...]:
    """The cells from number `first` on, at valid prices; none that would lie below the finest price."""
    numbers = range(first, first + spacing.cells + 1)
    prices = [(n, line(spacing, n)) for n in numbers]
    valid = [(n, rules.round_price(price)) for n, price in prices if price > 0]
    return tuple(Cell(n, low, high) for (n, low), (_, high) in pairwise(valid) if 0 < low < high)


def ids(number: int) -> tuple[str, str]:
    """Level ids of a cell's opening and closing order."""
    name = str(number).replace("-", "m")
    return f"o_{name}", f"c_{name}"


def number_of(level_id: str) -> int:
    """The cell of a level id."""
    return int(level_id[2:].replace("m", "-"))


class Holdings:
    """What the cells hold and which of them the first order still owes. A view of a strategy's state."""

    def __init__(self, state: dict[str, Plain]) -> None:
        self.state: dict[str, Any] = state

    def begin(self, basis: str, size: Decimal, anchor: Decimal) -> None:
        self.state.update(basis=basis, size=size, anchor=anchor, first=0, held={}, owed=[], at=None)

    @property
    def size(self) -> Decimal:
        """What a full cell holds."""
        size: Decimal = self.state["size"]
        return size

    @property
    def anchor(self) -> Decimal:
        anchor: Decimal = self.state["anchor"]
        return anchor

    @property
    def first(self) -> int:
        return int(self.state["first"])

    @property
    def owed(self) -> list[int]:
        owed: list[int] = self.state["owed"]
        return owed

    def of(self, number: int) -> Decimal:
        held: Decimal = self.state["held"].get(str(number), ZERO)
        return held

    def put(self, number: int, size: Decimal) -> None:
        """Only cells that hold something are remembered."""
        self.state["held"].pop(str(number), None)
        if size > 0:
            self.state["held"][str(number)] = size

    def hang(self, amount: Decimal, numbers: Sequence[int]) -> Decimal:
        """Distribute an amount over cells, each up to its size. Returns what found no place."""
        for number in numbers:
            part = max(min(amount, self.size - self.of(number)), ZERO)
            self.put(number, self.of(number) + part)
            amount -= part
        return amount

    def shift(self, by: int, cells: int) -> None:
        """Drop the cell at one end, add one at the other; what the dropped one holds is hung into the new."""
        dropped, added = (
            (self.first, self.first + cells) if by > 0 else (self.first + cells - 1, self.first - 1)
        )
        held = self.of(dropped)
        self.put(dropped, ZERO)
        self.put(added, held)
        self.state["first"] = self.first + by
