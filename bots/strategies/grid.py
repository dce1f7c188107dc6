"""Grid strategy: buys at one line and sells one line higher, between two prices. `docs/strategies/grid.md`.

The range between two neighbouring lines is a *cell*. A long cell buys at its lower line and sells at its
upper line; a short cell sells at its upper line and buys back at its lower line. Lines are numbered without
limits, so that a trailing grid keeps the numbers of the cells that stay.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from bots.sdk import (
    Boolean,
    Choice,
    Context,
    Fill,
    Integer,
    Level,
    Number,
    OptionalNumber,
    OrderUpdate,
    Side,
    Strategy,
    Terms,
    Tick,
)
from bots.strategies.grid_cells import Cell, CellInventory, Spacing, cells_of, level_ids, number_of

ZERO = Decimal(0)
START = "start"
SLIPPAGE = Decimal("0.005")  # maximum slippage of the start order, from the best price


class ClassicGrid(Strategy):
    """Grid with fixed lines, optionally trailing."""

    title = "Grid"
    summary = "Buys every step down and sells every step up between two prices."

    lower = Number("Lowest line", unit="price", minimum="0.00000001", maximum="1000000000")
    upper = Number("Highest line", unit="price", minimum="0.00000001", maximum="1000000000")
    cells = Integer("Cells", minimum=2, maximum=100, default=20, help="Lines minus one.")
    spacing = Choice(
        "Spacing", {"arithmetic": "Equal steps", "geometric": "Equal ratios"}, default="geometric"
    )
    direction = Choice(
        "Direction",
        {"long": "Long", "short": "Short", "neutral": "Long below the first price, short above"},
        default="long",
        help="Spot can only be long.",
    )
    fill_at_start = Boolean(
        "Buy at the start what the lines on the far side will sell",
        default=True,
        help="A short grid sells instead. A neutral grid starts with nothing.",
    )
    trail_up = Boolean("Trail up", default=False, help="Above the highest line the whole grid moves up.")
    trail_down = Boolean("Trail down", default=False, help="Below the lowest line the whole grid moves down.")
    exit_below = OptionalNumber("Close and end at or below", unit="price", minimum="0", maximum="1000000000")
    exit_above = OptionalNumber("Close and end at or above", unit="price", minimum="0", maximum="1000000000")

    def validate(self, terms: Terms) -> dict[str, str]:
        if self.lower >= self.upper:
            return {"upper": "The highest line must be above the lowest."}
        found = {}
        if self.direction == "neutral" and (self.trail_up or self.trail_down):
            found["direction"] = "A neutral grid does not trail; choose long or short."
        if terms.instrument.kind == "spot" and self.direction != "long":
            found["direction"] = "Spot can only be long: short selling is not possible."
        if self.exit_below is not None and self.exit_below >= self.lower:
            found["exit_below"] = "Must be below the lowest line."
        if self.exit_above is not None and self.exit_above <= self.upper:
            found["exit_above"] = "Must be above the highest line."
        if problem := self._cells_problem(terms):
            found["cells"] = problem
        return found

    def _cells_problem(self, terms: Terms) -> str | None:
        cells = self._cells(terms, 0)
        if len(cells) < self.cells:
            return "Some lines round to the same price; use fewer cells."
        step = min((cell.high - cell.low) / cell.high for cell in cells)
        fees = 2 * terms.fees.maker
        if step <= fees:
            return f"A step earns {100 * step:.3f} % and costs {100 * fees:.3f} % in fees; use fewer cells."
        size = self._size(terms)
        if not terms.is_tradable(cells[0].low, size):
            return f"{size:f} per cell at {cells[0].low:f} is below the minimum order size; use fewer cells."
        return None

    # --- callbacks ---------------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state["at"] = None
        if context.tick:
            self.on_tick(context, context.tick)

    def on_fill(self, context: Context, fill: Fill) -> None:
        self._book_fill(context, fill)
        context.state["at"] = None
        if context.tick:
            self.on_tick(context, _adjusted_to(context, context.tick, fill))

    def on_order(self, context: Context, update: OrderUpdate) -> None:
        if update.state not in ("cancelled", "rejected", "filled"):
            return
        context.state["at"] = None
        if update.level_id == START:
            context.state["owed"] = []  # the start order is not repeated: its cells wait for the price

    def on_tick(self, context: Context, tick: Tick) -> None:
        if self._has_ended(context, tick):
            return
        basis = f"{self._spacing} {self.direction} {context.terms.buying_power}"
        if context.state.get("basis") != basis:
            self._begin(context, tick, basis)
        self._trail(context, tick)
        cells = self._cells(context.terms, CellInventory(context.state).first)
        at = [bisect_left(cells, tick.ask, key=_low), bisect_right(cells, tick.bid, key=_high)]
        if context.state["at"] != at:  # the market crossed a line, or an order changed
            context.state["at"] = at
            context.state["empty"] = not self._set_orders(context, tick, cells)
        if context.state["empty"]:
            context.idle(f"The price {tick.mid:f} is outside the grid and there is no position to close.")

    # --- decisions ---------------------------------------------------------------------------------
    def _has_ended(self, context: Context, tick: Tick) -> bool:
        if "ended" not in context.state:
            if self.exit_below is not None and tick.bid <= self.exit_below:
                context.state["ended"] = f"The price fell to {tick.bid:f}; the limit is {self.exit_below:f}."
            elif self.exit_above is not None and tick.ask >= self.exit_above:
                context.state["ended"] = f"The price rose to {tick.ask:f}; the limit is {self.exit_above:f}."
            if "ended" in context.state:
                context.close()
        if "ended" in context.state:
            context.idle(str(context.state["ended"]))
        return "ended" in context.state

    def _begin(self, context: Context, tick: Tick, basis: str) -> None:
        """Start a new grid: assign an existing position to cells first, then order what is missing."""
        inventory = CellInventory(context.state)
        inventory.begin(basis, self._size(context.terms), tick.mid)
        cells = self._cells(context.terms, 0)
        short = context.position.size < 0 if context.position.size else self.direction == "short"
        own_cells = [cell for cell in cells if self._is_short(cell, inventory) == short]
        nearest = sorted(own_cells, key=lambda cell: abs((cell.high if short else cell.low) - tick.mid))
        far = [cell.number for cell in nearest if self._is_far(cell, tick)]
        inventory.distribute(
            abs(context.position.size), far + [c.number for c in nearest if c.number not in far]
        )
        if self.fill_at_start and self.direction != "neutral":
            context.state["owed"] = [number for number in far if not inventory.held_at(number)]

    def _is_far(self, cell: Cell, tick: Tick) -> bool:
        """Whether the cell's closing line is ahead of the market, so that the grid should hold it now."""
        return cell.high <= tick.bid if self.direction == "short" else cell.low >= tick.ask

    def _trail(self, context: Context, tick: Tick) -> None:
        """Move the grid by whole cells, so that the common cells keep their orders."""
        inventory = CellInventory(context.state)
        context.state.pop("leaving", None)
        while by := self._direction_out(self._cells(context.terms, inventory.first), tick):
            dropped = inventory.first if by > 0 else inventory.first + self.cells - 1
            context.state["at"] = None
            if any(level_id in context.orders for level_id in level_ids(dropped)):
                context.state["leaving"] = dropped  # its orders are cancelled first
                return
            inventory.shift(by, self.cells)

    def _direction_out(self, cells: tuple[Cell, ...], tick: Tick) -> int:
        if self.trail_up and tick.bid > cells[-1].high:
            return 1
        below = len(cells) == self.cells and cells[0].low > self.lower / 100
        return -1 if self.trail_down and below and tick.ask < cells[0].low else 0

    def _set_orders(self, context: Context, tick: Tick, cells: tuple[Cell, ...]) -> bool:
        """Set the target orders; False when there are none. The nearest come first."""
        levels = [level for cell in cells for level in self._levels(context, tick, cell)]
        levels.sort(key=lambda level: abs(level.price - tick.mid))
        pending = context.state["owed"]
        if START in context.orders:
            levels.append(context.orders[START].level)
        elif pending:
            levels.append(self._start_order(context, tick))
        context.set_orders(levels)
        return bool(levels)

    def _start_order(self, context: Context, tick: Tick) -> Level:
        terms, inventory = context.terms, CellInventory(context.state)
        affordable = terms.round_size_down(context.buying_power / (tick.ask * (1 + SLIPPAGE)))
        size = min(inventory.size * len(inventory.pending_start), affordable)
        if self.direction == "short":
            return Level(START, "sell", terms.round_price_up(tick.bid * (1 - SLIPPAGE)), size, "ioc")
        return Level(START, "buy", terms.round_price_down(tick.ask * (1 + SLIPPAGE)), size, "ioc")

    def _levels(self, context: Context, tick: Tick, cell: Cell) -> Iterator[Level]:
        """The target orders of a cell, at most two."""
        inventory = CellInventory(context.state)
        if cell.number == context.state.get("leaving") or cell.number in inventory.pending_start:
            return
        held = inventory.held_at(cell.number)
        open_id, close_id = level_ids(cell.number)
        short = self._is_short(cell, inventory)
        closing = self._closing(context, tick, close_id, cell, short=short)
        if closing is not None:
            yield closing
        resting = context.orders.get(open_id)
        size = context.terms.round_size_down(inventory.size - held)
        if closing is not None:
            # The cell holds a part of its size: that is closed before more is opened.
            size = resting.remaining if resting else ZERO
        side: Side = "sell" if short else "buy"
        price = cell.high if short else cell.low
        ahead = price > tick.bid if short else price < tick.ask  # otherwise the price must come back first
        if size and (resting or (ahead and context.terms.is_tradable(price, size))):
            yield Level(open_id, side, price, size)

    def _closing(
        self, context: Context, tick: Tick, level_id: str, cell: Cell, *, short: bool
    ) -> Level | None:
        """The closing order: at the cell's line, or at the market price where that is better."""
        side: Side = "buy" if short else "sell"
        price = min(cell.low, tick.bid) if short else max(cell.high, tick.ask)
        if level_id in context.orders:
            price = context.orders[level_id].level.price
        size = context.terms.round_size_down(CellInventory(context.state).held_at(cell.number))
        if not context.terms.is_tradable(price, size):
            return None
        return Level(level_id, side, price, size, reduce_only=context.terms.can_reduce_only)

    def _book_fill(self, context: Context, fill: Fill) -> None:
        """Book a fill into its cells. A fee in the base asset reduces the inventory."""
        inventory = CellInventory(context.state)
        fee = fill.fee if fill.fee_asset == context.instrument.base else ZERO
        if fill.level_id == START:
            inventory.distribute(fill.size - fee, inventory.pending_start)
            full = [
                number for number in inventory.pending_start if inventory.held_at(number) >= inventory.size
            ]
            context.state["owed"] = [
                n for n in inventory.pending_start if n not in full and START in context.orders
            ]
        elif fill.level_id[:2] in ("o_", "c_"):
            number = number_of(fill.level_id)
            signed = fill.size - fee if fill.level_id.startswith("o_") else -fill.size
            inventory.set_held(number, inventory.held_at(number) + signed)

    # --- the grid itself ---------------------------------------------------------------------------
    @property
    def _spacing(self) -> Spacing:
        return Spacing(self.lower, self.upper, self.cells, self.spacing)

    def _cells(self, terms: Terms, first: int) -> tuple[Cell, ...]:
        return cells_of(self._spacing, first, terms.instrument.rules)

    def _size(self, terms: Terms) -> Decimal:
        """Size of each cell, equal for all: the budget suffices for all cells even at their upper lines."""
        cells = self._cells(terms, 0)
        return terms.round_size_down(terms.buying_power / sum((cell.high for cell in cells), cells[0].low))

    def _is_short(self, cell: Cell, inventory: CellInventory) -> bool:
        return self.direction == "short" or (self.direction == "neutral" and cell.low >= inventory.anchor)


def _adjusted_to(context: Context, tick: Tick, fill: Fill) -> Tick:
    """The tick adjusted to a fill's price, because a fill may arrive before its tick."""
    step = context.instrument.rules.tick_at(fill.price)
    if fill.side == "buy":
        return replace(tick, bid=min(tick.bid, fill.price - step), ask=min(tick.ask, fill.price))
    return replace(tick, bid=max(tick.bid, fill.price), ask=max(tick.ask, fill.price + step))


def _low(cell: Cell) -> Decimal:
    return cell.low


def _high(cell: Cell) -> Decimal:
    return cell.high
