"""Snapshot of a run: its complete state between two events. With an event it determines the decision."""

from dataclasses import dataclass
from uuid import UUID

from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.orders import LiveOrder
from bots.sdk.context import Position
from bots.sdk.events import Tick
from bots.sdk.intents import Level


@dataclass(frozen=True, slots=True)
class LevelBackoff:
    """Backoff of a level: its orders were rejected `count` times in a row; retry from `retry_at` (ms)."""

    level_id: str
    count: int
    retry_at: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Complete state of a run. A first start is a restore from `Snapshot()`.

    `reason` is why the run is idle, stopped or faulted, in words; `reason_at` when that was last true (ms).
    `order_count` is the number of the last order request, `last_seq` that of the last own event. `state` is
    the strategy's own state, as JSON text. `target` is the set of levels that should be live; a level that
    fills or is rejected leaves it until the strategy sets it again. `reduce_only_possible` comes from the
    last `PositionAdjusted`: whether the venue would accept a reduce-only order for the position. `conflict` says why
    the bot is paused: its position and the wallet's cannot both be true.
    """

    status: Status = Status.STARTING
    reason: str = ""
    reason_at: int = 0
    traceback: str = ""
    policy: StopPolicy | None = None
    closing: bool = False
    order_count: int = 0
    random_draws: int = 0
    last_seq: int = 0
    state: str = "{}"
    position: Position = Position()  # noqa: RUF009 (frozen, so it may be shared)
    tick: Tick | None = None
    target: tuple[Level, ...] = ()
    live: tuple[LiveOrder, ...] = ()
    refusals: tuple[LevelBackoff, ...] = ()
    blocked_reason: str = ""
    reduce_only_possible: bool = True
    conflict: str = ""

    def order(self, client_id: UUID) -> LiveOrder | None:
        return next((order for order in self.live if order.client_id == client_id), None)
