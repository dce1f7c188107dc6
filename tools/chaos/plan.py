"""Chaos plan: client actions and process faults as a function of the seed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Literal, cast
from uuid import UUID

ActionKind = Literal[
    "rest", "cross", "market", "post", "post_cross", "stop", "take", "cancel", "cancel_all", "modify"
]
ACTION_WEIGHTS: dict[ActionKind, int] = {
    "rest": 22, "cross": 14, "market": 22, "post": 12, "post_cross": 3, "stop": 5, "take": 5,
    "cancel": 9, "cancel_all": 1, "modify": 7,
}  # fmt: skip
Process = Literal["web", "execution", "feed", "redis", "postgres", "supervisor"]
PAUSE = "pause-"  # prefix of a process name: the process is paused instead of killed
FAULT_WEIGHTS: dict[str, int] = {
    "web": 4, "execution": 9, "feed": 1, "redis": 2, "postgres": 2, "pause-execution": 5,
}  # fmt: skip
FAULT_WEIGHTS_WITH_BOTS: dict[str, int] = {
    "supervisor": 28, "pause-supervisor": 20, "execution": 14, "pause-execution": 8, "feed": 6, "pause-feed": 4,
    "redis": 6, "pause-redis": 2, "postgres": 5, "pause-postgres": 2, "web": 5,
}  # fmt: skip
SYMBOLS = ("BTC", "ETH", "SOL")
PLACING_KINDS = frozenset({"rest", "cross", "market", "post", "post_cross", "stop", "take"})
PAUSE_SECONDS = (1.0, 20.0)  # a lease lasts 12
SERVICE_PAUSE = 8.0  # s; maximum for PostgreSQL and Redis, which every process needs


@dataclass(frozen=True, slots=True)
class ClientAction:
    """One client action. `key` is its idempotency key: a retry is the same action.

    `distance` is the distance of its price from the market, in percent; `usd` its value.
    """

    kind: ActionKind
    key: UUID
    symbol: str
    side: Literal["buy", "sell"]
    usd: Decimal
    distance: Decimal
    pause: float  # s before the request
    pick: float  # selects one of the possible targets, in [0, 1)


@dataclass(frozen=True, slots=True)
class Fault:
    """One process fault, `pause` s after the last: the process is killed, or paused for `seconds`.

    `pick`, in [0, 1), selects one of several processes.
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
    """Rates of actions and faults. `weights` maps each kind of process fault to its weight."""

    action_interval: float = 0.5  # mean s between the actions of one wallet
    fault_interval: float = 4.0
    outage_interval: float = 9.0  # mean s between outages of the venue
    fault_scale: float = 1.0  # factor of the probability of venue faults
    max_pause: float = PAUSE_SECONDS[1]
    weights: Mapping[str, int] = field(default_factory=lambda: FAULT_WEIGHTS)


def client_actions(seed: int, wallet: int, orders: int, rates: Rates) -> list[ClientAction]:
    """The actions of one wallet, until `orders` orders are requested."""
    rng = Random(f"{seed} acts {wallet}")
    actions: list[ClientAction] = []
    while sum(action.kind in PLACING_KINDS for action in actions) < orders:
        (kind,) = rng.choices(list(ACTION_WEIGHTS), weights=list(ACTION_WEIGHTS.values()))
        actions.append(_action(rng, kind, rates))
    return actions


def _action(rng: Random, kind: ActionKind, rates: Rates) -> ClientAction:
    return ClientAction(
        kind=kind,
        key=UUID(int=rng.getrandbits(128), version=4),
        symbol=rng.choice(SYMBOLS),
        side=rng.choice(("buy", "sell")),
        usd=Decimal(rng.randrange(20, 120)),
        distance=Decimal(rng.randrange(50, 400)) / 100,
        pause=rng.expovariate(1 / rates.action_interval),
        pick=rng.random(),
    )


def process_faults(seed: int, rates: Rates) -> Iterator[Fault]:
    """Endless sequence of process faults."""
    rng = Random(f"{seed} breaks")
    kinds = list(rates.weights)
    while True:
        (kind,) = rng.choices(kinds, weights=[rates.weights[name] for name in kinds])
        process = cast("Process", kind.removeprefix(PAUSE))
        longest = min(rates.max_pause, SERVICE_PAUSE if process in ("redis", "postgres") else 1e9)
        seconds = rng.uniform(PAUSE_SECONDS[0], longest) if kind.startswith(PAUSE) else 0.0
        yield Fault(process, 1.0 + rng.expovariate(1 / rates.fault_interval), rng.random(), seconds)
