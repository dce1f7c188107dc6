"""What is asked and what breaks: a function of the seed. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Literal
from uuid import UUID

ActKind = Literal[
    "rest", "cross", "market", "post", "post_cross", "stop", "take", "cancel", "cancel_all", "modify"
]
ACTS: dict[ActKind, int] = {
    "rest": 22, "cross": 14, "market": 22, "post": 12, "post_cross": 3, "stop": 5, "take": 5,
    "cancel": 9, "cancel_all": 1, "modify": 7,
}  # fmt: skip
BreakKind = Literal["web", "execution", "feed", "redis", "postgres", "pause"]
BREAKS: dict[BreakKind, int] = {"web": 4, "execution": 9, "feed": 1, "redis": 2, "postgres": 2, "pause": 5}
SYMBOLS = ("BTC", "ETH", "SOL")
PLACES = frozenset({"rest", "cross", "market", "post", "post_cross", "stop", "take"})
PAUSE_SECONDS = (1.0, 20.0)


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
    """A process that dies, or stands still for `seconds`, `pause` s after the last."""

    kind: BreakKind
    pause: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How quick it all is."""

    between_acts: float = 0.5  # s on average, of one wallet
    between_breaks: float = 4.0
    longest_pause: float = PAUSE_SECONDS[1]
    kinds: tuple[BreakKind, ...] = field(default=tuple(BREAKS))


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
    """What dies, one after the other, without end."""
    rng = Random(f"{seed} breaks")
    kinds = list(rates.kinds)
    while True:
        (kind,) = rng.choices(kinds, weights=[BREAKS[one] for one in kinds])
        seconds = rng.uniform(PAUSE_SECONDS[0], rates.longest_pause) if kind == "pause" else 0.0
        yield Break(kind, 1.0 + rng.expovariate(1 / rates.between_breaks), seconds)
