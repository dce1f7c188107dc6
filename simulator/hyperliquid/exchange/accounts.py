"""Accounts and positions, in integers: USDC of perpetuals in millionths, spot tokens in their own wei."""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from simulator.hyperliquid.exchange.fixed_point import share_of

MAX_FILLS = 10_000
MAX_HISTORY = 2_000


class Closed(NamedTuple):
    """Effect of a trade on a position: realised PnL, and the number of lots it closed."""

    pnl: int
    lots: int


@dataclass(slots=True)
class Position:
    """One perpetual of one account, its leverage included; `lots` below zero is short.

    `cost` is the signed price paid for the open lots. `raw` is the cash of an isolated position; a cross
    position uses the cash of the account.
    """

    lots: int = 0
    cost: int = 0
    leverage: int = 20
    isolated: bool = False
    raw: int = 0
    funding_ever: int = 0
    funding_open: int = 0
    funding_change: int = 0

    def trade(self, lots: int, price: int) -> Closed:
        """Buy `lots` lots (negative: sell). Does not change cash."""
        closing = 0
        if self.lots * lots < 0:
            closing = max(lots, -self.lots) if lots < 0 else min(lots, -self.lots)
        released = share_of(self.cost, -closing, self.lots) if closing else 0
        opening = lots - closing
        self.lots += lots
        self.cost += opening * price - released
        self.funding_change = 0
        if self.lots == opening:  # the position is new, flat or reversed
            self.funding_open = 0
        return Closed(-closing * price - released, abs(closing))

    def equity(self, mark: int) -> int:
        """Equity of an isolated position."""
        return self.raw + self.lots * mark


@dataclass(slots=True)
class SpotBalance:
    """Balance of a spot token: total in wei, and its cost basis in hundred-millionths of a USDC."""

    total: int = 0
    entry: int = 0


@dataclass(slots=True)
class Account:
    """Account of one address. `raw` is cash: deposits less the signed price of every cross position."""

    address: str
    raw: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    spot: dict[int, SpotBalance] = field(default_factory=dict)
    master: str | None = None
    name: str = ""
    builders: dict[str, int] = field(default_factory=dict)  # approved fee in tenths of a basis point
    referrer: str | None = None
    abstraction: str = "default"
    volume: int = 0
    days: dict[str, list[int]] = field(default_factory=dict)  # date → [as taker, as maker]
    requests: int = 0
    bought: int = 0  # requests paid for with `reserveRequestWeight`
    last_request: int = 0
    schedule: int | None = None
    fired: list[Any] = field(
        default_factory=lambda: ["", 0]
    )  # day of the last scheduled cancel, and how many fired that day
    liquidated_at: int = 0
    paid_in: int = 0
    open: dict[int, None] = field(default_factory=dict)  # oids, oldest first
    history: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY))
    fills: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_FILLS))
    fundings: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_FILLS))
    updates: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_FILLS))

    def holding(self, token: int) -> SpotBalance:
        return self.spot.setdefault(token, SpotBalance())

    def dump(self) -> dict[str, Any]:
        """The account without its logs, which are journalled row by row."""
        saved = {name: getattr(self, name) for name in _PLAIN}
        return saved | {
            "positions": {coin: asdict(position) for coin, position in self.positions.items()},
            "spot": {str(token): asdict(holding) for token, holding in self.spot.items()},
        }


LOGS = ("fills", "fundings", "updates")
_PLAIN = (
    "address", "raw", "master", "name", "builders", "referrer", "abstraction", "volume", "days", "requests",
    "bought", "last_request", "schedule", "fired", "liquidated_at", "paid_in",
)  # fmt: skip


def account_load(saved: dict[str, Any]) -> Account:
    """The account restored from a `dump`."""
    account = Account(**{name: saved[name] for name in _PLAIN})
    account.positions = {coin: Position(**row) for coin, row in saved["positions"].items()}
    account.spot = {int(token): SpotBalance(**row) for token, row in saved["spot"].items()}
    return account
