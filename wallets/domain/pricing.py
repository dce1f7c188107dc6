"""Pricing: validates the numbers of an order request and computes the worst fill price."""

from dataclasses import replace
from decimal import Decimal

from market.domain.instruments import InstrumentRules
from market.domain.orders import TRIGGERED, Tif
from wallets.domain.errors import OrderInvalid
from wallets.domain.requests import OrderRequest

MAX_NUMBER = Decimal(10) ** 15
MAX_DECIMALS = 18
MAX_SLIPPAGE = Decimal(50)  # per cent
DEFAULT_SLIPPAGE = Decimal("0.5")
STOP_SLIPPAGE = Decimal(10)  # as for the venue's own stop orders
MARKET_KINDS = frozenset({"market", "stop_market", "take_profit_market"})
KINDS = TRIGGERED | {"market", "limit"}


def number_check(field: str, value: Decimal) -> Decimal:
    """Validate a price or a size. Raises `OrderInvalid`."""
    if not value.is_finite():
        raise OrderInvalid(field, "Enter a number.")
    if value <= 0:
        raise OrderInvalid(field, "Must be greater than 0.")
    if value >= MAX_NUMBER:
        raise OrderInvalid(field, "This number is too large.")
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MAX_DECIMALS:
        raise OrderInvalid(field, f"At most {MAX_DECIMALS} decimals.")
    return value


def request_check(request: OrderRequest) -> OrderRequest:
    """The validated request with the time in force of its order type. Raises `OrderInvalid` with the field."""
    if request.side not in {"buy", "sell"}:
        raise OrderInvalid("side", "Buy or sell.")
    if request.kind not in KINDS:
        raise OrderInvalid("kind", "Unknown order type.")
    if request.tif not in {"gtc", "ioc", "alo"}:
        raise OrderInvalid("tif", "Unknown time in force.")
    number_check("size", request.size)
    if request.slippage_percent is not None:
        _slippage_check(request.slippage_percent)
    _prices_check(request)
    if request.tif == "alo" and request.kind != "limit":
        raise OrderInvalid("tif", "Only limit orders can be post-only.")
    return replace(request, tif=_tif(request))


def _slippage_check(percent: Decimal) -> None:
    if not percent.is_finite() or not 0 <= percent <= MAX_SLIPPAGE:
        raise OrderInvalid("slippage_percent", f"Enter a slippage between 0 and {MAX_SLIPPAGE} %.")


def _prices_check(request: OrderRequest) -> None:
    if request.price is not None:
        number_check("price", request.price)
    elif request.kind not in MARKET_KINDS:
        raise OrderInvalid("price", "Enter a price for the limit order.")
    if request.kind in TRIGGERED:
        if request.trigger_price is None:
            raise OrderInvalid("trigger_price", "Enter a trigger price.")
        number_check("trigger_price", request.trigger_price)
    elif request.trigger_price is not None:
        raise OrderInvalid("trigger_price", "Only stop and take-profit orders have a trigger price.")


def _tif(request: OrderRequest) -> Tif:
    if request.kind == "market":
        return "ioc"
    return "gtc" if request.kind in TRIGGERED else request.tif


def slippage_of(request: OrderRequest, band_percent: Decimal) -> Decimal:
    """The requested slippage, else the default of the order type, limited by the price band; in per cent."""
    if request.slippage_percent is not None:
        return request.slippage_percent
    return min(STOP_SLIPPAGE if request.kind in TRIGGERED else DEFAULT_SLIPPAGE, band_percent)


def worst_price(
    request: OrderRequest,
    rules: InstrumentRules,
    *,
    bid: Decimal | None,
    ask: Decimal | None,
    band_percent: Decimal = STOP_SLIPPAGE,
) -> Decimal | None:
    """The limit price sent to the venue. None when it depends on a market price that is not known.

    Rounded to a tick towards the better side: never worse than requested.
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
