"""How much could be traded at most: what the share slider of the ticket divides. Orders are judged by `risk`."""

from decimal import Decimal

from market.domain.events import Side
from market.domain.instruments import Instrument
from wallets.domain.position import closable
from wallets.domain.risk import PERP_FEE
from wallets.domain.risk_context import Situation, free

ZERO = Decimal(0)


def size_most(
    instrument: Instrument, now: Situation, *, side: Side, price: Decimal | None, reduce_only: bool
) -> Decimal:
    """The largest size, in base units, that funds and position allow at `price`; unrounded.

    Without a price no more than what closes a position. Limits may allow less.
    """
    spot, own = instrument.kind == "spot", now.own
    if spot and side == "sell":
        return max(ZERO, free(now, "spot", instrument.base))
    closes = ZERO if spot else closable(side, own.size, own.buys if side == "buy" else own.sells)
    money = free(now, "spot" if spot else "perp", instrument.quote)
    if reduce_only or price is None or money <= 0:
        return closes
    unit = price if spot else price / own.leverage + price * PERP_FEE
    return closes + money / unit
