"""What is made to go wrong, until when. Commands come from the control plane; the servers ask here."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Literal, get_args

from market.simulator.exchange.core import Notice
from market.simulator.numbers import mix
from market.simulator.world import World

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
    """The command is not one of ours; the text says what is wrong with it."""


@dataclass(frozen=True)
class Fault:
    """One command. `coin` None means every coin; `count` is how often it happens at most.

    `share` is the probability of a lost request or reply, `parts` how many pieces a fill comes in.
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
    """Raises `BadFault`."""
    if not isinstance(body, dict) or body.get("kind") not in get_args(Kind):
        raise BadFault(f"kind must be one of {', '.join(get_args(Kind))}")
    if unknown := set(body) - set(Fault.__dataclass_fields__):
        raise BadFault(f"unknown field {min(unknown)}")
    for name, (least, most) in _NUMBERS.items():
        value = body.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise BadFault(f"{name} must be a number from {least} to {most}")
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
    """The faults of now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._active: dict[Kind, _Active] = {}
        self._rng = Random(mix(world.seed, world.now))
        self.disconnect: Callable[[int], None] = lambda _code: None

    def begin(self, fault: Fault, now: int) -> None:
        """A new fault of a kind replaces the running one."""
        until = now + int(fault.seconds * 1000)
        if fault.kind == "disconnect":
            self.disconnect(fault.code)
        elif fault.kind in ("stale", "empty_side"):
            self._disturb(fault, until)
        else:
            self._active[fault.kind] = _Active(fault, until, fault.count)

    def _disturb(self, fault: Fault, until: int) -> None:
        for coin, market in self._world.markets.items():
            if fault.coin not in (None, coin):
                continue
            if fault.kind == "stale":
                market.disturbed.frozen_until = until
            else:
                market.disturbed.empty_side = "buy" if fault.side == "bid" else "sell"
                market.disturbed.empty_until = until

    def clear(self) -> None:
        """End everything at once."""
        self._active.clear()
        for market in self._world.markets.values():
            market.disturbed.frozen_until = market.disturbed.empty_until = 0

    def listing(self, now: int) -> list[dict[str, Any]]:
        """What runs, for the control plane."""
        return [
            {**asdict(active.fault), "ends_in_ms": active.until - now, "left": active.left}
            for active in self._active.values()
            if active.until > now
        ]

    def active(self, kind: Kind, now: int) -> Fault | None:
        """The fault of that kind while it lasts."""
        entry = self._active.get(kind)
        return entry.fault if entry and entry.until > now else None

    def frames(self, channel: str, coin: str | None, frame: bytes, now: int) -> list[bytes]:
        """What is really sent in place of one data frame."""
        if not self._active:
            return [frame]
        if channel in LOSSY and self._counts("gap", coin, now):
            return []
        if self._counts("malformed", coin, now):
            return [frame[: len(frame) // 2]]
        return [frame, frame] if self._counts("duplicate", coin, now) else [frame]

    def strikes(self, kind: Kind, now: int) -> bool:
        """Whether a fault that comes with a probability happens this time."""
        entry = self._active.get(kind)
        if entry is None or entry.until <= now or self._rng.random() >= entry.fault.share:
            return False
        return self._counts(kind, None, now)

    def notices(self, notices: list[Notice], now: int) -> list[Notice]:
        """What the owners of accounts are told, in which order."""
        return notices[::-1] if self.active("reorder", now) else notices

    def _counts(self, kind: Kind, coin: str | None, now: int) -> bool:
        entry = self._active.get(kind)
        if entry is None or entry.until <= now or not entry.left:
            return False
        if entry.fault.coin not in (None, coin):
            return False
        entry.left -= 1
        return True
