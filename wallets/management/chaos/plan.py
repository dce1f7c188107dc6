"""What is asked and what breaks: a function of the seed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Literal, cast
from uuid import UUID

ActKind = Literal[
    "rest", "cross", "market", "post", "post_cross", "stop", "take", "cancel", "cancel_all", "modify"
]
ACTS: dict[ActKind, int] = {
    "rest": 22, "cross": 14, "market": 22, "post": 12, "post_cross": 3, "stop": 5, "take": 5,
    "cancel": 9, "cancel_all": 1, "modify": 7,
}  # fmt: skip
Process = Literal["web", "execution", "feed", "redis", "postgres", "supervisor"]
PAUSE = "pause-"  # before the name of a process: it stands still for a while instead of dying
BREAKS: dict[str, int] = {
    "web": 4, "execution": 9, "feed": 1, "redis": 2, "postgres": 2, "pause-execution": 5,
}  # fmt: skip
BREAKS_WITH_BOTS: dict[str, int] = {
    "supervisor": 28, "pause-supervisor": 20, "execution": 14, "pause-execution": 8, "feed": 6, "pause-feed": 4,
    "redis": 6, "pause-redis": 2, "postgres": 5, "pause-postgres": 2, "web": 5,
}  # fmt: skip
SYMBOLS = ("BTC", "ETH", "SOL")
PLACES = frozenset({"rest", "cross", "market", "post", "post_cross", "stop", "take"})
PAUSE_SECONDS = (1.0, 20.0)  # a lease lasts 12
SERVICE_PAUSE = 8.0  # of what everybody needs


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that somebody asks. `key` names it for ever: asked again it is the same act.

    `away` is how far from the market its price is, in percent; `usd` what it is worth.
    """

    kind: ActKind
    key: UUID
    symbol: str
    side: Literal["buy", "sell"]
    usd: Decimal
    away: Decimal
    pause: float  # s before it is asked
    pick: float  # which of the possible targets, in [0, 1)


@dataclass(frozen=True, slots=True)
class Break:
    """A process that dies, or stands still for `seconds`, `pause` s after the last.

    `pick`, in [0, 1), says which one where there are several.
    """

    process: Process
    pause: float
    pick: float
    seconds: float = 0.0

    @property
    def kind(self) -> str:
        return f"{PAUSE}{self.process}" if self.seconds else self.process


@dataclass(frozen=True, slots=True)
class Rates:
    """How quick it all is. `breaks` maps what breaks to how often, beside the others."""

    between_acts: float = 0.5  # s on average, of one wallet
    between_breaks: float = 4.0
    between_outages: float = 9.0  # of the venue
    faults: float = 1.0  # what share of the venue's usual faults happens
    longest_pause: float = PAUSE_SECONDS[1]
    breaks: Mapping[str, int] = field(default_factory=lambda: BREAKS)


def acts(seed: int, wallet: int, orders: int, rates: Rates) -> list[Act]:
    """What one wallet asks until it has asked for `orders` orders."""
    rng = Random(f"{seed} acts {wallet}")
    asked: list[Act] = []
    while sum(act.kind in PLACES for act in asked) < orders:
        (kind,) = rng.choices(list(ACTS), weights=list(ACTS.values()))
        asked.append(_act(rng, kind, rates))
    return asked


def _act(rng: Random, kind: ActKind, rates: Rates) -> Act:
    return Act(
        kind=kind,
        key=UUID(int=rng.getrandbits(128), version=4),
        symbol=rng.choice(SYMBOLS),
        side=rng.choice(("buy", "sell")),
        usd=Decimal(rng.randrange(20, 120)),
        away=Decimal(rng.randrange(50, 400)) / 100,
        pause=rng.expovariate(1 / rates.between_acts),
        pick=rng.random(),
    )


def breaks(seed: int, rates: Rates) -> Iterator[Break]:
    """What breaks, one after the other, without end."""
    rng = Random(f"{seed} breaks")
    kinds = list(rates.breaks)
    while True:
        (kind,) = rng.choices(kinds, weights=[rates.breaks[one] for one in kinds])
        process = cast("Process", kind.removeprefix(PAUSE))
        longest = min(rates.longest_pause, SERVICE_PAUSE if process in ("redis", "postgres") else 1e9)
        seconds = rng.uniform(PAUSE_SECONDS[0], longest) if kind.startswith(PAUSE) else 0.0
        yield Break(process, 1.0 + rng.expovariate(1 / rates.between_breaks), rng.random(), seconds)
