"""DTOs between the services and the supervisor: frozen dataclasses."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from bots.domain.events import Event, OrderFilled
from bots.domain.order_planner import Request
from bots.domain.runner import RunSpec
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import OrderView, PositionView
from bots.sdk import Side, Tick
from core.leases import Claim


@dataclass(frozen=True, slots=True)
class BotAssignment:
    """A claimed bot and its desired state. `has_run`: it has an active run; `running`: it should run."""

    claim: Claim
    has_run: bool
    venue: str
    symbol: str
    running: bool
    stop_policy: str
    stop_reason: str
    inputs_version: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Heartbeat of a bot under a claim epoch. `reason_at` (ms, 0: never) is when its reason was last true."""

    bot: UUID
    epoch: int
    reason: str
    reason_at: int


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as it was last stored."""

    bot: UUID
    run: UUID
    user: Any
    wallet: UUID
    name: str
    instrument_id: int
    spec: RunSpec
    snapshot: Snapshot
    last_decision: int
    last_fill_id: int
    crashes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """Events that were decided together, their result, and the newest tick before them.

    `number` counts the stored decisions of the run from 1; `last_fill_id` is the newest delivered fill.
    """

    events: tuple[Event, ...]
    tick: Tick | None
    snapshot: Snapshot
    requests: tuple[Request, ...]
    number: int
    last_fill_id: int
    inputs_version: int


@dataclass(frozen=True, slots=True)
class CommitResult:
    """Result of a commit. `needs_sync`: the requests had effects to read from the wallet at once."""

    run_ended: bool
    needs_sync: bool


@dataclass(frozen=True, slots=True)
class OwnFill:
    """A fill of one of the bot's orders, with its primary key."""

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

    def to_event(self, now: int, seq: int) -> OrderFilled:
        """The own event that delivers this fill to the runner."""
        return OrderFilled(
            now, seq, self.client_id, self.level_id, self.ref, self.side, self.price, self.size, self.fee,
            self.fee_asset,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OwnOrderState:
    """State of the bot's own orders and its undelivered fills, oldest first.

    The orders were read before the fills, so that all fills of an order in a terminal state are included.
    """

    order_views: dict[UUID, OrderView]
    fills: list[OwnFill]
    position: PositionView
