"""All that a run is between two events. With the next event it decides everything that follows."""

from dataclasses import dataclass
from uuid import UUID

from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.orders import Live
from bots.sdk.context import Position
from bots.sdk.events import Tick
from bots.sdk.intents import Level


@dataclass(frozen=True, slots=True)
class Refusals:
    """A level whose orders were refused so many times in a row waits until then (ms)."""

    level_id: str
    count: int
    until: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A first start is a restore from `Snapshot()`.

    `reason` is why the run is idle, stopped or faulted, in words; `checked_at` when that was last true.
    `orders_made` numbers the order requests, `seen` the own events. `state` is the strategy's, as JSON.
    `wanted` is what should stand; what fills or is refused leaves it until the strategy wants it again.
    `covered` is what the last `Remains` said: could the venue grant that its position is only reduced?
    """

    status: Status = Status.STARTING
    reason: str = ""
    checked_at: int = 0
    trace: str = ""
    policy: StopPolicy | None = None
    closing: bool = False
    orders_made: int = 0
    drawn: int = 0
    seen: int = 0
    state: str = "{}"
    position: Position = Position()  # noqa: RUF009 (frozen, so it may be shared)
    tick: Tick | None = None
    wanted: tuple[Level, ...] = ()
    live: tuple[Live, ...] = ()
    refusals: tuple[Refusals, ...] = ()
    held_back: str = ""
    covered: bool = True

    def order(self, client_id: UUID) -> Live | None:
        return next((order for order in self.live if order.client_id == client_id), None)
