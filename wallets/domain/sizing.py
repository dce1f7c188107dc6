"""Order sizing: the maximum size for the ticket's percentage slider. The risk check itself is in `risk`."""

from decimal import Decimal

from market.domain.events import Side
from market.domain.instruments import Instrument
from market.domain.orders import account_type_of
from wallets.domain.position import reducible_size
from wallets.domain.risk_context import RiskContext, available_balance

ZERO = Decimal(0)


def max_order_size(
    instrument: Instrument, now: RiskContext, *, side: Side, price: Decimal | None, reduce_only: bool
) -> Decimal:
    """The largest size, in base units, that funds and position allow at `price`; unrounded.

    Without a price: only the size that closes the position. Trading limits may allow less.
    """
    spot, own = instrument.kind == "spot", now.exposure
    if spot and side == "sell":
        return max(ZERO, available_balance(now, account_type_of(now.margin_model, "spot"), instrument.base))
    closes = ZERO if spot else reducible_size(side, own.size, own.buys if side == "buy" else own.sells)
    money = available_balance(now, account_type_of(now.margin_model, instrument.kind), instrument.quote)
    if reduce_only or price is None or money <= 0:
        return closes
    unit = price if spot else price / own.leverage + price * now.taker_fee
    return closes + money / unit
