"""What somebody asks for, before anybody judged it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from market.domain.events import Side
from market.domain.orders import OrderKind, Tif


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as a person, a program or a bot wants it.

    `client_id` was minted by whoever asks: the same id again is the same order. `price` is the limit,
    or the worst price of a market or triggered market order; None with a market kind lets the house
    compute it from `slippage_percent` and the best price (the trigger price for triggered kinds).
    None there is the usual one: little for an order that goes out now, much for a stop, which has to
    find somebody in a falling market.
    """

    client_id: UUID
    venue: str
    symbol: str
    side: Side
    kind: OrderKind
    size: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    tif: Tif = "gtc"
    reduce_only: bool = False
    slippage_percent: Decimal | None = None
    why: dict[str, Any] | None = None
