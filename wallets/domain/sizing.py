"""How much could be traded at most: what the share slider of the ticket divides. Orders are judged by `risk`."""

from decimal import Decimal

from market.domain.events import Side

USUAL_LEVERAGE = 20  # what the venue starts every account with
PERP_FEE = Decimal("0.00045")


def leverage_usual(most: int | None) -> int:
    """What an account trades with before anybody set its leverage."""
    return min(USUAL_LEVERAGE, most or 1)


def size_most(  # noqa: PLR0913  a market, an account and a wish
    *,
    spot: bool,
    side: Side,
    price: Decimal | None,
    free: Decimal,
    held: Decimal,
    leverage: int,
    reduce_only: bool,
) -> Decimal:
    """The largest size, in base units, that `free` pays for at `price`; unrounded.

    `free` is quote, or the coins themselves for a sale at a spot market. `held`: the position, signed.
    Zero without a price.
    """
    if spot and side == "sell":
        return max(free, Decimal(0))
    closable = Decimal(0) if spot else max(Decimal(0), held if side == "sell" else -held)
    if reduce_only:
        return closable
    if price is None or price <= 0 or free <= 0:
        return closable
    unit = price if spot else price / leverage + price * PERP_FEE
    return closable + free / unit
