"""Market data in the venue's JSON format: plain dicts and lists."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from market.domain.book_levels import Level
from market.domain.events import Side
from simulator.markets.candles import HOUR, INTERVALS, Bar, bucket
from simulator.markets.numbers import decimal_text, float_text, mix
from simulator.markets.universe import Listing
from simulator.markets.world import Market, Trade, World

BOOK_DEPTH = 20
FAST_DEPTH = 5
FUNDING_PAGE = 500
SIDES: tuple[Side, Side] = ("buy", "sell")
TAKER_SIDE = {"buy": "B", "sell": "A"}
IMPACT_USDC = {"BTC": 20_000.0, "ETH": 20_000.0}


class BadAggregation(ValueError):
    """`nSigFigs` or `mantissa` out of range; the venue answers HTTP 500 with a null body."""


def _level(listing: Listing, level: Level) -> dict[str, Any]:
    return {"px": listing.price_text(level.price), "sz": listing.size_text(level.size), "n": level.orders}


def aggregation(figures: Any, mantissa: Any) -> tuple[int, int] | None:
    """(figures, mantissa) to round a book to, or None for full precision. Raises `BadAggregation`."""
    if figures is None and mantissa is None:
        return None
    if type(figures) is not int or figures not in (2, 3, 4, 5):
        raise BadAggregation
    if mantissa is not None and (type(mantissa) is not int or figures != 5 or mantissa not in (1, 2, 5)):
        raise BadAggregation
    return figures, mantissa or 1


def _rounded(levels: Iterator[Level], side: Side, figures: int, mantissa: int) -> Iterator[Level]:
    """Levels merged into steps of that many figures: bids rounded down, asks rounded up."""
    open_level: Level | None = None
    for level in levels:
        step = 10 ** max(0, len(str(level.price)) - figures) * mantissa
        price = level.price // step * step if side == "buy" else -(-level.price // step) * step
        if open_level is not None and open_level.price == price:
            open_level = Level(price, open_level.size + level.size, open_level.orders + level.orders)
            continue
        if open_level is not None:
            yield open_level
        open_level = Level(price, level.size, level.orders)
    if open_level is not None:
        yield open_level


def book(market: Market, rounding: tuple[int, int] | None = None, depth: int = BOOK_DEPTH) -> dict[str, Any]:
    sides = []
    for side in SIDES:
        levels = market.levels(side)
        if rounding:
            levels = _rounded(levels, side, *rounding)
        sides.append([_level(market.listing, level) for level in islice(levels, depth)])
    return {"coin": market.listing.coin, "time": market.time, "levels": sides}


def bbo(market: Market) -> dict[str, Any]:
    best = [market.best(side) for side in SIDES]
    return {
        "coin": market.listing.coin,
        "time": market.time,
        "bbo": [_level(market.listing, level) if level else None for level in best],
    }


def _hash(*parts: int) -> str:
    return "0x" + "".join(f"{mix(*parts, number):016x}" for number in range(4))


def _address(*parts: int) -> str:
    return _hash(*parts)[:42]


def trade_hash(trade: Trade) -> str:
    """Transaction hash, the same for all matches of one taker order."""
    return _hash(trade.order, trade.time)


def trade(listing: Listing, trade: Trade) -> dict[str, Any]:
    maker, taker = _address(trade.id), _address(trade.order, 7)
    synthetic = (taker, maker) if trade.side == "buy" else (maker, taker)
    return {
        "coin": listing.coin,
        "side": TAKER_SIDE[trade.side],
        "px": listing.price_text(trade.price),
        "sz": listing.size_text(trade.lots),
        "time": trade.time,
        "hash": trade_hash(trade),
        "tid": trade.id,
        "users": [user or fallback for user, fallback in zip(trade.users, synthetic, strict=True)],
    }


def trades(market: Market, items: Iterable[Trade]) -> list[dict[str, Any]]:
    return [trade(market.listing, item) for item in items]


def candle(listing: Listing, interval: str, bar: Bar) -> dict[str, Any]:
    return {
        "t": bar.time,
        "T": bucket(interval, bar.time)[1] - 1,
        "s": listing.coin,
        "i": interval,
        "o": listing.price_text(bar.open),
        "c": listing.price_text(bar.close),
        "h": listing.price_text(bar.high),
        "l": listing.price_text(bar.low),
        "v": listing.size_text(bar.volume),
        "n": bar.trades,
    }


def candles(market: Market, interval: str, start: int, end: int, now: int) -> list[dict[str, Any]]:
    """Candles of [start, end]. Raises `KeyError` for an interval that the venue does not have."""
    INTERVALS[interval]
    bars = market.tape.snapshot(interval, start, end, now)
    return [candle(market.listing, interval, bar) for bar in bars]


# --- contexts and funding ----------------------------------------------------------------------
def mid(market: Market) -> str | None:
    """Mid price, which may lie between two ticks; None when a side is empty."""
    bid, ask = (market.best(side) for side in SIDES)
    if bid is None or ask is None:
        return None
    return decimal_text((bid.price + ask.price) * 5, market.listing.price_decimals + 1)


def mids(world: World) -> dict[str, str]:
    return {
        coin: mid(market) or market.listing.price_text(market.mark) for coin, market in world.markets.items()
    }


def _impact(market: Market, side: Side) -> str:
    """The average price of a market order of the venue's impact size."""
    listing = market.listing
    target = left = IMPACT_USDC.get(listing.coin, 6_000.0)
    paid = lots = 0.0
    for level in market.levels(side):
        share = min(1.0, left / listing.notional(level.price, level.size))
        lots += level.size * share
        paid += level.size * share * level.price
        left -= listing.notional(level.price, level.size) * share
        if left <= target * 1e-9:
            break
    return listing.price_text(round(paid / lots)) if lots else listing.price_text(market.mark)


def perp_context(market: Market) -> dict[str, Any]:
    listing = market.listing
    middle = mid(market)
    impact = [_impact(market, side) for side in SIDES] if middle else None
    return {
        "funding": float_text(market.funding_at(market.time), 10),
        "openInterest": listing.size_text(market.open_interest()),
        "prevDayPx": listing.price_text(market.previous_day),
        "dayNtlVlm": float_text(market.day_notional, 6),
        "premium": float_text(market.premium_at(market.time), 10) if middle else None,
        "oraclePx": listing.price_text(market.oracle),
        "markPx": listing.price_text(market.mark),
        "midPx": middle,
        "impactPxs": impact,
        "dayBaseVlm": listing.size_text(round(market.day_lots)),
    }


def spot_context(market: Market) -> dict[str, Any]:
    listing = market.listing
    supply = float_text(listing.daily * 40 / listing.price, 5)
    return {
        "coin": listing.coin,
        "prevDayPx": listing.price_text(market.previous_day),
        "dayNtlVlm": float_text(market.day_notional, 6),
        "markPx": listing.price_text(market.mark),
        "midPx": mid(market),
        "circulatingSupply": supply,
        "totalSupply": supply,
        "dayBaseVlm": listing.size_text(round(market.day_lots)),
    }


def context(market: Market) -> dict[str, Any]:
    return spot_context(market) if market.listing.is_spot else perp_context(market)


def _delisted_context(listing: Listing) -> dict[str, Any]:
    price = listing.price_text(listing.units(listing.price))
    return {
        "funding": "0.0", "openInterest": "0.0", "prevDayPx": price, "dayNtlVlm": "0.0", "premium": None,
        "oraclePx": price, "markPx": price, "midPx": None, "impactPxs": None, "dayBaseVlm": "0.0",
    }  # fmt: skip


def perp_contexts(world: World) -> list[dict[str, Any]]:
    """Contexts in the order of the perpetual universe, including delisted instruments."""
    return [
        perp_context(world.markets[listing.coin]) if not listing.delisted else _delisted_context(listing)
        for listing in world.listings
        if not listing.is_spot
    ]


def spot_contexts(world: World) -> list[dict[str, Any]]:
    """Contexts by pair index, as clients look them up; an index without a pair has a context without a price."""
    by_index = {market.listing.spot_index: market for market in world.markets.values()}
    last = max((index for index in by_index if index is not None), default=-1)
    return [
        spot_context(by_index[index]) if index in by_index else _unused_context(index)
        for index in range(last + 1)
    ]


def _unused_context(index: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("prevDayPx", "dayNtlVlm", "markPx"), "0.0")
    supply = dict.fromkeys(("circulatingSupply", "totalSupply", "dayBaseVlm"), "0.0")
    return {"coin": f"@{index}", **nothing, "midPx": None, **supply}


def funding_history(market: Market, start: int, end: int) -> list[dict[str, Any]]:
    """Hourly funding rates, oldest first, at most 500."""
    first = max(-(-start // HOUR) * HOUR, market.path.start)
    hours = range(first, min(end, market.time) + 1, HOUR)[:FUNDING_PAGE]
    return [
        {
            "coin": market.listing.coin,
            "fundingRate": float_text(market.funding_at(hour), 10),
            "premium": float_text(market.premium_at(hour), 10),
            "time": hour,
        }
        for hour in hours
    ]


def predicted_fundings(world: World) -> list[Any]:
    coming = (world.now // HOUR + 1) * HOUR
    return [
        [coin, [["HlPerp", {
            "fundingRate": float_text(market.funding_at(world.now), 10),
            "nextFundingTime": coming,
            "fundingIntervalHours": 1,
        }]]]
        for coin, market in world.markets.items()
        if not market.listing.is_spot
    ]  # fmt: skip
