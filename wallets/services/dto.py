"""Data transfer objects of the services: frozen dataclasses with Decimals; events are JSON with strings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from market.domain.orders import CancelSpec, MarginMode, ModifySpec, OrderSpec
from wallets.domain.reconciliation import AccountEvent, VenueSnapshot

__all__ = [
    "AccountEvent",
    "Event",
    "InFlightOrder",
    "LeverageSpec",
    "PreparedSubmission",
    "Preview",
    "ReconcileResult",
    "VenueSnapshot",
]  # fmt: skip

# A message of the `me` topic, ready for JSON: "type" and what belongs to it (docs/stream-protocol.md).
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeverageSpec:
    """The leverage to set for one instrument."""

    symbol: str
    leverage: int
    mode: MarginMode


@dataclass(frozen=True, slots=True)
class PreparedSubmission:
    """A stored action that is about to be signed. Only the sequence of its kind is filled.

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
class InFlightOrder:
    """An order to query at the venue: by the venue's order id where it is known."""

    order_id: UUID
    venue_client_id: str
    venue_order_id: str
    symbol: str


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """Result of a reconciliation. `to_query`: orders that are open here and not listed by the venue.

    `stable`: the account did not change while it was read, so `residual` ("account_type:asset" → venue less
    ledger, or "position:symbol") was computed; otherwise it is the previous one.
    """

    events: list[Event]
    to_query: list[InFlightOrder]
    stable: bool
    residual: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """Result of a risk check without placing the order. `denial` is empty when it would be approved."""

    price: Decimal | None
    notional: Decimal | None
    reserve: Decimal | None
    account_type: str
    asset: str
    fee_taker: Decimal | None
    denial: str = ""
    message: str = ""
    taken_from_bots: Decimal | None = None  # size of the order that would close what bots of the wallet hold
