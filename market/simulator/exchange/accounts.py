"""What an account owns. Whole numbers only: USDC of perpetuals in millionths, tokens in their own wei."""

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from market.simulator.exchange.fixed_point import share_of

FILLS_KEPT = 10_000
HISTORY_KEPT = 2_000


class Closed(NamedTuple):
    """What a trade did to a position: realised profit, and how many lots it closed."""

    pnl: int
    lots: int


@dataclass(slots=True)
class Position:
    """One perpetual of one account, its leverage included; `lots` below zero is short.

    `cost` is the signed price paid for what is held. `raw` is the cash of an isolated position; a cross
    position spends the account's.
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
        """Buy (or sell, below zero) that many lots. Cash is not touched."""
        closing = 0
        if self.lots * lots < 0:
            closing = max(lots, -self.lots) if lots < 0 else min(lots, -self.lots)
        released = share_of(self.cost, -closing, self.lots) if closing else 0
        opening = lots - closing
        self.lots += lots
        self.cost += opening * price - released
        self.funding_change = 0
        if self.lots == opening:  # it is new, flat or turned round
            self.funding_open = 0
        return Closed(-closing * price - released, abs(closing))

    def equity(self, mark: int) -> int:
        """Of an isolated position."""
        return self.raw + self.lots * mark


@dataclass(slots=True)
class Holding:
    """A spot token: how much in wei, and what it cost in hundred-millionths of a USDC."""

    total: int = 0
    entry: int = 0


@dataclass(slots=True)
class Account:
    """One address. `raw` is cash: what was paid in, less the signed price of every cross position."""

    address: str
    raw: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    spot: dict[int, Holding] = field(default_factory=dict)
    master: str | None = None
    name: str = ""
    builders: dict[str, int] = field(default_factory=dict)  # approved fee in tenths of a basis point
    referrer: str | None = None
    abstraction: str = "default"
    volume: int = 0
    days: dict[str, list[int]] = field(default_factory=dict)  # date → [as taker, as maker]
    requests: int = 0
    bought: int = 0  # requests that were paid for
    last_request: int = 0
    schedule: int | None = None
    fired: list[Any] = field(default_factory=lambda: ["", 0])  # day and how often
    liquidated_at: int = 0
    paid_in: int = 0
    open: dict[int, None] = field(default_factory=dict)  # oids, oldest first
    history: deque[int] = field(default_factory=lambda: deque(maxlen=HISTORY_KEPT))
    fills: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    fundings: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))
    updates: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=FILLS_KEPT))

    def holding(self, token: int) -> Holding:
        return self.spot.setdefault(token, Holding())

    def dump(self) -> dict[str, Any]:
        """All but the logs, which are journalled line by line."""
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
    """The account of a `dump`."""
    account = Account(**{name: saved[name] for name in _PLAIN})
    account.positions = {coin: Position(**row) for coin, row in saved["positions"].items()}
    account.spot = {int(token): Holding(**row) for token, row in saved["spot"].items()}
    return account
