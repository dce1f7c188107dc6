"""What services hand to whoever acts on it. Frozen; Decimals inside, strings in events."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from market.domain.orders import CancelSpec, MarginMode, ModifySpec, OrderSpec
from wallets.domain.reconciliation import Fact, Picture

__all__ = [
    "Doubt", "Event", "Fact", "LeverageSpec", "Picture", "Prepared", "Preview", "Reconciled",
]  # fmt: skip

# A message of the `me` topic, ready for JSON: "type" and what belongs to it (docs/stream-protocol.md).
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeverageSpec:
    """Set the leverage of one instrument."""

    symbol: str
    leverage: int
    mode: MarginMode


@dataclass(frozen=True, slots=True)
class Prepared:
    """One action, written down and about to be signed. Only the sequence of its kind is filled.

    `order_ids` are in the order of `orders`, `cancels` or `changes`. `valid_until` is None for cancels.
    """

    submission_id: int
    kind: Literal["place", "cancel", "modify", "leverage"]
    nonce: int
    valid_until: int | None
    order_ids: Sequence[UUID] = ()
    orders: Sequence[OrderSpec] = ()
    cancels: Sequence[CancelSpec] = ()
    changes: Sequence[ModifySpec] = ()
    leverage: LeverageSpec | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """An order of which the venue has to be asked: by its own id where that is known."""

    order_id: UUID
    venue_client_id: str
    venue_order_id: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconciliation did. `ask`: orders that we hold for open and the venue does not list.

    `quiet`: the account stood still while it was read, so that `residual` ("pot:asset" → venue less
    ledger, or "position:symbol") was computed; otherwise it is what it was before.
    """

    events: list[Event]
    ask: list[Doubt]
    quiet: bool
    residual: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """An order judged without being placed. `denial` is empty when it would be taken."""

    price: Decimal | None
    notional: Decimal | None
    reserve: Decimal | None
    pot: str
    asset: str
    fee_taker: Decimal | None
    denial: str = ""
    sentence: str = ""
