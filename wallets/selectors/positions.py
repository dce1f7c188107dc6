"""Position rows for display: at the mark price, with the decimals of their instrument."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from market.selectors import price_decimals
from wallets.domain.position import unrealised_pnl
from wallets.models import Position
from wallets.selectors.prices import Prices, prices_of

if TYPE_CHECKING:
    from accounts.models import User


@dataclass(frozen=True, slots=True)
class PositionRow:
    """An open position; `mark` is None while no price is known."""

    position: Position
    mark: Decimal | None

    @property
    def decimals(self) -> int:
        return price_decimals(self.position.instrument, self.mark or self.entry_price)

    @property
    def entry_price(self) -> Decimal:
        """The entry price, rounded to the price decimals of the instrument."""
        step = Decimal(1).scaleb(-self.position.instrument.price_decimals)
        return (self.position.cost / self.position.size).quantize(step, rounding=ROUND_HALF_EVEN)

    @property
    def unrealised(self) -> Decimal | None:
        if self.mark is None:
            return None
        return unrealised_pnl(self.position.size, self.position.cost, self.mark)


def position_rows(user: "User", *, wallet_id: UUID | None = None) -> list[PositionRow]:
    """The user's own open positions by symbol; of one wallet or of all."""
    rows = Position.objects.filter(wallet__user=user).exclude(size=0)
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    prices: dict[str, Prices] = {}
    positions = []
    for position in rows.select_related("instrument", "wallet").order_by("instrument__symbol", "wallet"):
        venue = position.instrument.venue_id
        if venue not in prices:
            prices[venue] = prices_of(venue)
        positions.append(PositionRow(position, prices[venue].mark(position.instrument.symbol)))
    return positions
