"""Numbers as they come in, and the worst price of orders that name none."""

from dataclasses import replace
from decimal import Decimal

from market.domain.instruments import Rules
from market.domain.orders import TRIGGERED, Tif
from wallets.domain.errors import OrderInvalid
from wallets.domain.requests import OrderRequest

LARGEST = Decimal(10) ** 15
MOST_DECIMALS = 18
MOST_SLIPPAGE = Decimal(50)  # per cent
USUAL_SLIPPAGE = Decimal("0.5")
STOP_SLIPPAGE = Decimal(10)  # what the venue's own stops allow
MARKET_KINDS = frozenset({"market", "stop_market", "take_market"})
KINDS = TRIGGERED | {"market", "limit"}


def number_check(field: str, value: Decimal) -> Decimal:
    """A number that may be a price or a size. Raises `OrderInvalid`."""
    if not value.is_finite():
        raise OrderInvalid(field, "This is not a number.")
    if value <= 0:
        raise OrderInvalid(field, "This must be more than zero.")
    if value >= LARGEST:
        raise OrderInvalid(field, "This is more than any market knows.")
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MOST_DECIMALS:
        raise OrderInvalid(field, f"No more than {MOST_DECIMALS} decimals.")
    return value


def request_check(request: OrderRequest) -> OrderRequest:
    """The request with the time in force that its kind implies. Raises `OrderInvalid` with the field."""
    if request.side not in {"buy", "sell"}:
        raise OrderInvalid("side", "Buy or sell.")
    if request.kind not in KINDS:
        raise OrderInvalid("kind", "There is no such kind of order.")
    if request.tif not in {"gtc", "ioc", "alo"}:
        raise OrderInvalid("tif", "There is no such time in force.")
    number_check("size", request.size)
    if request.slippage_percent is not None:
        _slippage_check(request.slippage_percent)
    _prices_check(request)
    if request.tif == "alo" and request.kind != "limit":
        raise OrderInvalid("tif", "Only limit orders can be post-only.")
    return replace(request, tif=_tif(request))


def _slippage_check(percent: Decimal) -> None:
    if not percent.is_finite() or not 0 <= percent <= MOST_SLIPPAGE:
        raise OrderInvalid("slippage_percent", f"Between 0 and {MOST_SLIPPAGE} per cent.")


def _prices_check(request: OrderRequest) -> None:
    if request.price is not None:
        number_check("price", request.price)
    elif request.kind not in MARKET_KINDS:
        raise OrderInvalid("price", "A limit order needs a price.")
    if request.kind in TRIGGERED:
        if request.trigger_price is None:
            raise OrderInvalid("trigger_price", "At which price does it trigger?")
        number_check("trigger_price", request.trigger_price)
    elif request.trigger_price is not None:
        raise OrderInvalid("trigger_price", "Only stops and take-profits have a trigger price.")


def _tif(request: OrderRequest) -> Tif:
    if request.kind == "market":
        return "ioc"
    return "gtc" if request.kind in TRIGGERED else request.tif


def slippage_of(request: OrderRequest, band_percent: Decimal) -> Decimal:
    """What was asked for, else the usual one of the kind, and then no more than the band allows."""
    if request.slippage_percent is not None:
        return request.slippage_percent
    return min(STOP_SLIPPAGE if request.kind in TRIGGERED else USUAL_SLIPPAGE, band_percent)


def worst_price(
    request: OrderRequest,
    rules: Rules,
    *,
    bid: Decimal | None,
    ask: Decimal | None,
    band_percent: Decimal = STOP_SLIPPAGE,
) -> Decimal | None:
    """The price that goes to the venue. None when it depends on a market that is not known.

    Rounded to a tick towards the better side: never worse than what was asked for.
    """
    if request.price is not None:
        return request.price
    best = request.trigger_price or (ask if request.side == "buy" else bid)
    if best is None or best <= 0:
        return None
    slip = slippage_of(request, band_percent) / 100
    if request.side == "buy":
        return rules.round_price(best * (1 + slip), "down")
    return rules.round_price(best * (1 - slip), "up")
