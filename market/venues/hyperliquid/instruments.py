"""Decoder of Hyperliquid's instrument lists, with tick and lot size rules. Pure.

Rules: a price has at most 5 significant figures and at most 6 (perp) or 8 (spot) minus `szDecimals`
decimals; the minimum notional is 10 quote units. Source: the venue's "Tick and lot size" page.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from market.domain.errors import ParseError
from market.domain.instruments import Instrument, InstrumentRules, Kind
from market.domain.topics import SYMBOL
from market.venues.hyperliquid.parsing import JsonObject, name
from market.venues.rows import Rows, rows_decode

FIGURES = 5
DECIMALS: dict[Kind, int] = {"perp": 6, "spot": 8}
MIN_NOTIONAL = Decimal(10)
COLLATERAL = "USDC"


def _rules(kind: Kind, size_decimals: object) -> InstrumentRules:
    if type(size_decimals) is not int or not 0 <= size_decimals <= DECIMALS[kind]:
        raise ParseError("szDecimals out of range", size_decimals)
    return InstrumentRules.from_decimals(size_decimals, DECIMALS[kind] - size_decimals, FIGURES, MIN_NOTIONAL)


def _symbol(value: object) -> str:
    if isinstance(value, str) and SYMBOL.fullmatch(value):
        return value
    raise ParseError("not a symbol", value)


def perps_read(venue: str, meta: JsonObject, tokens: Mapping[int, Any] | None = None) -> Rows[Instrument]:
    """Decode `meta`: perpetuals, including delisted ones (not trading). `tokens` has the collateral names."""
    token = (tokens or {}).get(meta.get("collateralToken", 0))
    quote = token["name"] if token else COLLATERAL
    return rows_decode(meta["universe"], lambda wire: _perp(venue, wire, quote))


def _perp(venue: str, wire: JsonObject, quote: str) -> Instrument:
    symbol = _symbol(wire["name"])
    return Instrument(
        venue=venue,
        symbol=symbol,
        kind="perp",
        base=symbol.rpartition(":")[2],
        quote=quote,
        rules=_rules("perp", wire["szDecimals"]),
        max_leverage=wire.get("maxLeverage"),
        status="delisted" if wire.get("isDelisted") else "trading",
    )


def tokens_read(spot_meta: JsonObject) -> dict[int, Any]:
    """Index → entry of `spotMeta.tokens`, without entries that cannot be decoded: their pairs are then rejected."""
    return dict(rows_decode(spot_meta["tokens"], _token))


def _token(wire: JsonObject) -> tuple[int, JsonObject]:
    if type(wire["index"]) is not int:
        raise ParseError("not a token index", wire["index"])
    name(wire["name"])
    return wire["index"], wire


def spots_read(venue: str, spot_meta: JsonObject) -> Rows[Instrument]:
    """Decode `spotMeta`: spot pairs with the venue's symbols (`PURR/USDC`, `@107`)."""
    tokens = tokens_read(spot_meta)
    return rows_decode(spot_meta["universe"], lambda wire: _spot(venue, wire, tokens))


def _spot(venue: str, wire: JsonObject, tokens: Mapping[int, Any]) -> Instrument:
    base, quote = (tokens[number] for number in wire["tokens"])
    return Instrument(
        venue=venue,
        symbol=_symbol(wire["name"]),
        kind="spot",
        base=base["name"],
        quote=quote["name"],
        rules=_rules("spot", base["szDecimals"]),
    )
