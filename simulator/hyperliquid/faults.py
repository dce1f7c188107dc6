"""Fault injection: active faults and their end times. Set by the control plane, queried by the servers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal, get_args

from simulator.hyperliquid.exchange.core import Notification
from simulator.markets.numbers import mix
from simulator.markets.world import World

Kind = Literal[
    "disconnect", "half_open", "delay", "http_429", "http_500",
    "gap", "stale", "malformed", "empty_side", "duplicate",
    "lost_request", "lost_reply", "maintenance", "unknown_oid", "partial_fills", "reorder",
    "post_only", "interest_cap",
]  # fmt: skip
CLOSE_CODES = (1000, 1001, 1006, 1012)
LOSSY = ("trades", "bbo")
DEFAULT_SECONDS = 10.0


class BadFault(ValueError):
    """Invalid fault command; the text says what is wrong with it."""


@dataclass(frozen=True)
class Fault:
    """One fault. `coin` None means every coin; `count` is the maximum number of occurrences.

    `share` is the probability of a lost request or reply, `parts` the number of parts of a fill.
    """

    kind: Kind
    coin: str | None = None
    seconds: float = DEFAULT_SECONDS
    code: int = 1006
    ms: int = 500
    count: int = 5
    side: Literal["bid", "ask"] = "ask"
    share: float = 1.0
    parts: int = 3


_NUMBERS = {
    "seconds": (0.0, 3600.0),
    "ms": (0, 60_000),
    "count": (1, 10_000_000),
    "share": (0.0, 1.0),
    "parts": (2, 20),
}


def fault_parse(body: Any, coins: Mapping[str, Any]) -> Fault:
    """Parse a fault command. Raises `BadFault`."""
    if not isinstance(body, dict) or body.get("kind") not in get_args(Kind):
        raise BadFault(f"kind must be one of {', '.join(get_args(Kind))}")
    if unknown := set(body) - set(Fault.__dataclass_fields__):
        raise BadFault(f"unknown field {min(unknown)}")
    for name, (minimum, maximum) in _NUMBERS.items():
        value = body.get(name, minimum)
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise BadFault(f"{name} must be a number from {minimum} to {maximum}")
    return _checked(Fault(**body), coins)


def _checked(fault: Fault, coins: Mapping[str, Any]) -> Fault:
    if fault.coin is not None and fault.coin not in coins:
        raise BadFault("coin is not listed")
    if fault.code not in CLOSE_CODES:
        raise BadFault(f"code must be one of {', '.join(map(str, CLOSE_CODES))}")
    if fault.side not in ("bid", "ask"):
        raise BadFault("side must be bid or ask")
    return fault


@dataclass
class _Active:
    fault: Fault
    until: int
    left: int


class Faults:
    """The currently active faults."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._active: dict[Kind, _Active] = {}
        self._rng = Random(mix(world.seed, world.now))
        self.disconnect: Callable[[int], None] = lambda _code: None

    def begin(self, fault: Fault, now: int) -> None:
        """Start a fault; it replaces an active fault of the same kind."""
        until = now + int(fault.seconds * 1000)
        if fault.kind == "disconnect":
            self.disconnect(fault.code)
        elif fault.kind in ("stale", "empty_side"):
            self._market_fault(fault, until)
        else:
            self._active[fault.kind] = _Active(fault, until, fault.count)

    def _market_fault(self, fault: Fault, until: int) -> None:
        for coin, market in self._world.markets.items():
            if fault.coin not in (None, coin):
                continue
            if fault.kind == "stale":
                market.faults.frozen_until = until
            else:
                market.faults.empty_side = "buy" if fault.side == "bid" else "sell"
                market.faults.empty_until = until

    def clear(self) -> None:
        """End all faults now."""
        self._active.clear()
        for market in self._world.markets.values():
            market.faults.frozen_until = market.faults.empty_until = 0

    def listing(self, now: int) -> list[dict[str, Any]]:
        """The active faults, for the control plane."""
        return [
            {**asdict(active.fault), "ends_in_ms": active.until - now, "left": active.left}
            for active in self._active.values()
            if active.until > now
        ]

    def active(self, kind: Kind, now: int) -> Fault | None:
        """The active fault of that kind, or None."""
        entry = self._active.get(kind)
        return entry.fault if entry and entry.until > now else None

    def frames(self, channel: str, coin: str | None, frame: bytes, now: int) -> list[bytes]:
        """The frames to send in place of one data frame."""
        if not self._active:
            return [frame]
        if channel in LOSSY and self._count_down("gap", coin, now):
            return []
        if self._count_down("malformed", coin, now):
            return [frame[: len(frame) // 2]]
        return [frame, frame] if self._count_down("duplicate", coin, now) else [frame]

    def occurs(self, kind: Kind, now: int) -> bool:
        """Whether a probabilistic fault occurs this time; decrements its count."""
        entry = self._active.get(kind)
        if entry is None or entry.until <= now or self._rng.random() >= entry.fault.share:
            return False
        return self._count_down(kind, None, now)

    def notices(self, notices: list[Notification], now: int) -> list[Notification]:
        """The notifications in sending order: reversed while `reorder` is active."""
        return notices[::-1] if self.active("reorder", now) else notices

    def _count_down(self, kind: Kind, coin: str | None, now: int) -> bool:
        entry = self._active.get(kind)
        if entry is None or entry.until <= now or not entry.left:
            return False
        if entry.fault.coin not in (None, coin):
            return False
        entry.left -= 1
        return True
