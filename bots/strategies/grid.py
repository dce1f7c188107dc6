"""A grid of fixed prices: buy one line lower, sell one line higher. `docs/strategies/grid.md`.

Between two neighbouring lines lies a *cell*. A long cell buys at its lower line and sells what it
bought at its upper one; a short cell sells at the upper line and buys back at the lower. Lines are
numbered without end, so that a grid that trails keeps the names of the cells it keeps.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from bots.sdk import (
    Choice,
    Context,
    Fill,
    Flag,
    Level,
    Number,
    OptionalNumber,
    OrderNews,
    Side,
    Strategy,
    Terms,
    Tick,
    Whole,
)
from bots.strategies.grid_cells import Cell, Holdings, Spacing, cells_of, ids, number_of

ZERO = Decimal(0)
START = "start"
SLIP = Decimal("0.005")  # how far from the best price the first purchase may trade


class ClassicGrid(Strategy):
    title = "Grid"
    summary = "Buys every step down and sells every step up between two prices."

    lower = Number("Lowest line", unit="price", minimum="0.00000001", maximum="1000000000")
    upper = Number("Highest line", unit="price", minimum="0.00000001", maximum="1000000000")
    cells = Whole("Cells", minimum=2, maximum=100, default=20, help="Lines minus one.")
    spacing = Choice(
        "Spacing", {"arithmetic": "Equal steps", "geometric": "Equal ratios"}, default="geometric"
    )
    direction = Choice(
        "Direction",
        {"long": "Long", "short": "Short", "neutral": "Long below the first price, short above"},
        default="long",
        help="Spot can only be long.",
    )
    fill_at_start = Flag(
        "Buy at the start what the lines on the far side will sell",
        default=True,
        help="A short grid sells instead. A neutral grid starts with nothing.",
    )
    trail_up = Flag("Trail up", default=False, help="Above the highest line the whole grid moves up.")
    trail_down = Flag("Trail down", default=False, help="Below the lowest line the whole grid moves down.")
    exit_below = OptionalNumber("Close and end at or below", unit="price", minimum="0", maximum="1000000000")
    exit_above = OptionalNumber("Close and end at or above", unit="price", minimum="0", maximum="1000000000")

    def problems(self, terms: Terms) -> dict[str, str]:
        if self.lower >= self.upper:
            return {"upper": "The highest line must be above the lowest."}
        found = {}
        if self.direction == "neutral" and (self.trail_up or self.trail_down):
            found["direction"] = "A neutral grid does not trail; choose long or short."
        if terms.instrument.kind == "spot" and self.direction != "long":
            found["direction"] = "Spot can only be long: nothing can be sold that is not held."
        if self.exit_below is not None and self.exit_below >= self.lower:
            found["exit_below"] = "This must be below the lowest line."
        if self.exit_above is not None and self.exit_above <= self.upper:
            found["exit_above"] = "This must be above the highest line."
        if problem := self._cells_problem(terms):
            found["cells"] = problem
        return found

    def _cells_problem(self, terms: Terms) -> str | None:
        cells = self._cells(terms, 0)
        if len(cells) < self.cells:
            return "Some lines fall on the same price; take fewer cells."
        step = min((cell.high - cell.low) / cell.high for cell in cells)
        fees = 2 * terms.fees.maker
        if step <= fees:
            return f"A step earns {100 * step:.3f} % and costs {100 * fees:.3f} % in fees; take fewer cells."
        size = self._size(terms)
        if not terms.tradable(cells[0].low, size):
            return f"Each cell would hold {size:f} at {cells[0].low:f}, too little for the venue; take fewer cells."
        return None

    # --- what it is told ---------------------------------------------------------------------------
    def on_start(self, context: Context) -> None:
        context.state["at"] = None
        if context.tick:
            self.on_tick(context, context.tick)

    def on_fill(self, context: Context, fill: Fill) -> None:
        self._book(context, fill)
        context.state["at"] = None
        if context.tick:
            self.on_tick(context, _moved_to(context, context.tick, fill))

    def on_order(self, context: Context, news: OrderNews) -> None:
        if news.state not in ("cancelled", "refused", "filled"):
            return
        context.state["at"] = None
        if news.level_id == START:
            context.state["owed"] = []  # what could not be had is not chased: those cells wait for the price

    def on_tick(self, context: Context, tick: Tick) -> None:
        if self._ended(context, tick):
            return
        basis = f"{self._spacing} {self.direction} {context.terms.power}"
        if context.state.get("basis") != basis:
            self._begin(context, tick, basis)
        self._trail(context, tick)
        cells = self._cells(context.terms, Holdings(context.state).first)
        at = [bisect_left(cells, tick.ask, key=_low), bisect_right(cells, tick.bid, key=_high)]
        if context.state["at"] != at:  # the market crossed a line, or something happened to an order
            context.state["at"] = at
            context.state["empty"] = not self._quote(context, tick, cells)
        if context.state["empty"]:
            context.idle(f"The price {tick.middle:f} is outside the grid, and nothing is left to close.")

    # --- decisions ---------------------------------------------------------------------------------
    def _ended(self, context: Context, tick: Tick) -> bool:
        if "ended" not in context.state:
            if self.exit_below is not None and tick.bid <= self.exit_below:
                context.state["ended"] = f"The price fell to {tick.bid:f}, the limit is {self.exit_below:f}."
            elif self.exit_above is not None and tick.ask >= self.exit_above:
                context.state["ended"] = f"The price rose to {tick.ask:f}, the limit is {self.exit_above:f}."
            if "ended" in context.state:
                context.close()
        if "ended" in context.state:
            context.idle(str(context.state["ended"]))
        return "ended" in context.state

    def _begin(self, context: Context, tick: Tick, basis: str) -> None:
        """A new grid: what is held already is hung into it first, then what is missing is bought."""
        holdings = Holdings(context.state)
        holdings.begin(basis, self._size(context.terms), tick.middle)
        cells = self._cells(context.terms, 0)
        short = context.position.size < 0 if context.position.size else self.direction == "short"
        mine = [cell for cell in cells if self._is_short(cell, holdings) == short]
        nearest = sorted(mine, key=lambda cell: abs((cell.high if short else cell.low) - tick.middle))
        far = [cell.number for cell in nearest if self._is_far(cell, tick)]
        holdings.hang(abs(context.position.size), far + [c.number for c in nearest if c.number not in far])
        if self.fill_at_start and self.direction != "neutral":
            context.state["owed"] = [number for number in far if not holdings.of(number)]

    def _is_far(self, cell: Cell, tick: Tick) -> bool:
        """Does its closing line lie ahead of the market, so that a full grid would hold it now?"""
        return cell.high <= tick.bid if self.direction == "short" else cell.low >= tick.ask

    def _trail(self, context: Context, tick: Tick) -> None:
        """Move by whole cells, so that the cells in common keep their orders."""
        holdings = Holdings(context.state)
        context.state.pop("leaving", None)
        while by := self._direction_out(self._cells(context.terms, holdings.first), tick):
            dropped = holdings.first if by > 0 else holdings.first + self.cells - 1
            context.state["at"] = None
            if any(level_id in context.orders for level_id in ids(dropped)):
                context.state["leaving"] = dropped  # its orders are withdrawn first
                return
            holdings.shift(by, self.cells)

    def _direction_out(self, cells: tuple[Cell, ...], tick: Tick) -> int:
        if self.trail_up and tick.bid > cells[-1].high:
            return 1
        below = len(cells) == self.cells and cells[0].low > self.lower / 100
        return -1 if self.trail_down and below and tick.ask < cells[0].low else 0

    def _quote(self, context: Context, tick: Tick, cells: tuple[Cell, ...]) -> bool:
        """Say what should stand; False when that is nothing. The nearest come first, should money be short."""
        levels = [level for cell in cells for level in self._levels(context, tick, cell)]
        levels.sort(key=lambda level: abs(level.price - tick.middle))
        owed = context.state["owed"]
        if START in context.orders:
            levels.append(context.orders[START].level)
        elif owed:
            levels.append(self._first_order(context, tick))
        context.quotes(levels)
        return bool(levels)

    def _first_order(self, context: Context, tick: Tick) -> Level:
        terms, holdings = context.terms, Holdings(context.state)
        affordable = terms.size_down(context.power / (tick.ask * (1 + SLIP)))
        size = min(holdings.size * len(holdings.owed), affordable)
        if self.direction == "short":
            return Level(START, "sell", terms.price_up(tick.bid * (1 - SLIP)), size, "ioc")
        return Level(START, "buy", terms.price_down(tick.ask * (1 + SLIP)), size, "ioc")

    def _levels(self, context: Context, tick: Tick, cell: Cell) -> Iterator[Level]:
        """The one or two orders of a cell."""
        holdings = Holdings(context.state)
        if cell.number == context.state.get("leaving") or cell.number in holdings.owed:
            return
        held = holdings.of(cell.number)
        open_id, close_id = ids(cell.number)
        short = self._is_short(cell, holdings)
        closing = self._closing(context, tick, close_id, cell, short=short)
        if closing is not None:
            yield closing
        resting = context.orders.get(open_id)
        size = context.terms.size_down(holdings.size - held)
        if closing is not None:
            size = resting.left if resting else ZERO  # a part is held: it is closed before more is opened
        side: Side = "sell" if short else "buy"
        price = cell.high if short else cell.low
        ahead = price > tick.bid if short else price < tick.ask  # else it waits until the price is back
        if size and (resting or (ahead and context.terms.tradable(price, size))):
            yield Level(open_id, side, price, size)

    def _closing(
        self, context: Context, tick: Tick, level_id: str, cell: Cell, *, short: bool
    ) -> Level | None:
        """At the cell's line, or at the market where that is already better."""
        side: Side = "buy" if short else "sell"
        price = min(cell.low, tick.bid) if short else max(cell.high, tick.ask)
        if level_id in context.orders:
            price = context.orders[level_id].level.price
        size = context.terms.size_down(Holdings(context.state).of(cell.number))
        return Level(level_id, side, price, size) if context.terms.tradable(price, size) else None

    def _book(self, context: Context, fill: Fill) -> None:
        """A fee taken in the base asset is not there to be sold again."""
        holdings = Holdings(context.state)
        fee = fill.fee if fill.fee_asset == context.instrument.base else ZERO
        if fill.level_id == START:
            holdings.hang(fill.size - fee, holdings.owed)
            full = [number for number in holdings.owed if holdings.of(number) >= holdings.size]
            context.state["owed"] = [n for n in holdings.owed if n not in full and START in context.orders]
        elif fill.level_id[:2] in ("o_", "c_"):
            number = number_of(fill.level_id)
            signed = fill.size - fee if fill.level_id.startswith("o_") else -fill.size
            holdings.put(number, holdings.of(number) + signed)

    # --- the grid itself ---------------------------------------------------------------------------
    @property
    def _spacing(self) -> Spacing:
        return Spacing(self.lower, self.upper, self.cells, self.spacing)

    def _cells(self, terms: Terms, first: int) -> tuple[Cell, ...]:
        return cells_of(self._spacing, first, terms.instrument.rules)

    def _size(self, terms: Terms) -> Decimal:
        """Of each cell, the same for all: even at the price of its upper line the whole is in the budget."""
        cells = self._cells(terms, 0)
        return terms.size_down(terms.power / sum((cell.high for cell in cells), cells[0].low))

    def _is_short(self, cell: Cell, holdings: Holdings) -> bool:
        return self.direction == "short" or (self.direction == "neutral" and cell.low >= holdings.anchor)


def _moved_to(context: Context, tick: Tick, fill: Fill) -> Tick:
    """The market as a fill shows it, which may be told before the tick that goes with it."""
    step = context.instrument.rules.tick_at(fill.price)
    if fill.side == "buy":
        return replace(tick, bid=min(tick.bid, fill.price - step), ask=min(tick.ask, fill.price))
    return replace(tick, bid=max(tick.bid, fill.price), ask=max(tick.ask, fill.price + step))


def _low(cell: Cell) -> Decimal:
    return cell.low


def _high(cell: Cell) -> Decimal:
    return cell.high
