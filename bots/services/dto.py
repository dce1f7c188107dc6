"""What the supervisor is handed. Frozen."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from bots.domain.events import Event, Traded
from bots.domain.order_planner import Request
from bots.domain.runner import Spec
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import Money, Standing
from bots.sdk import Side, Tick
from market.leases import Claim


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bot as its worker owns it now, and what its owner wants of it. `going`: it has a run that goes on."""

    claim: Claim
    going: bool
    venue: str
    symbol: str
    running: bool
    stop_policy: str
    stop_reason: str
    inputs_version: int


@dataclass(frozen=True, slots=True)
class Beat:
    """A bot lives under this epoch. `checked_at` (ms, 0: never) is when its reason was last true."""

    bot: UUID
    epoch: int
    reason: str
    checked_at: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run as it was stored last."""

    bot: UUID
    run: UUID
    user: Any
    wallet: UUID
    name: str
    instrument_id: int
    spec: Spec
    snapshot: Snapshot
    decisions: int
    fills_until: int
    crashes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of events that were decided together, and the newest tick that the runner knew before them.

    `number` counts what is stored of the run from 1, `fills_until` is the newest fill that was told.
    """

    events: tuple[Event, ...]
    tick: Tick | None
    snapshot: Snapshot
    requests: tuple[Request, ...]
    number: int
    fills_until: int
    inputs_version: int


@dataclass(frozen=True, slots=True)
class Committed:
    """`over`: the run has ended. `news`: what came of the requests is to be looked up in the books."""

    over: bool
    news: bool


@dataclass(frozen=True, slots=True)
class OwnFill:
    """A fill of one of the bot's orders, with its key in the books."""

    pk: int
    client_id: UUID
    level_id: str
    ref: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    time: int

    def told(self, now: int, seq: int) -> Traded:
        """As its bot hears of it."""
        return Traded(
            now, seq, self.client_id, self.level_id, self.ref, self.side, self.price, self.size, self.fee,
            self.fee_asset,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnFacts:
    """How the bot's orders stand, and its fills that were not told yet, oldest first.

    The orders were read before the fills: whatever ended there has all of its fills here.
    """

    standings: dict[UUID, Standing]
    fills: list[OwnFill]
    money: Money
