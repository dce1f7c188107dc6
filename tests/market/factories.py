"""Factories of a small market for page, API and browser tests: venues, instruments, ticks, candles."""

import time
from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync

from market.hub import Publisher
from market.models import Candle, Instrument, Venue

MINUTE = 60_000
COINS = {
    # base: (size decimals, last, change, volume)
    "BTC": (5, "71284", "1.8712", "3630000000"),
    "ETH": (4, "2071.4", "2.93", "946312345.67"),
    "SOL": (2, "87.118", "-3.41", "245200000"),
    "kPEPE": (0, "0.003402", "1.55", "6910000"),
    "FLAT": (1, "5.0000", "0", "1000"),
}


def venue_make(name: str = "hyperliquid-sim", title: str = "Simulator", *, simulated: bool = True) -> Venue:
    return Venue.objects.create(name=name, title=title, simulated=simulated)


def instrument_make(
    venue: Venue, base: str, size_decimals: int = 2, *, symbol: str = "", kind: str = "perp"
) -> Instrument:
    return Instrument.objects.create(
        venue=venue,
        symbol=symbol or base,
        kind=kind,
        base=base,
        quote="USDC",
        size_step=Decimal(1).scaleb(-size_decimals),
        tick_size=Decimal(1).scaleb(size_decimals - (6 if kind == "perp" else 8)),
        significant_figures=5,
        max_leverage=40 if kind == "perp" else None,
    )


def market_make() -> Venue:
    """The simulator venue with five perps and one spot instrument with a slash in its name."""
    venue = venue_make()
    for base, (size_decimals, *_) in COINS.items():
        instrument_make(venue, base, size_decimals)
    instrument_make(venue, "PURR", 0, symbol="PURR/USDC", kind="spot")
    return venue


def tick(
    last: str, change: str | None = "1.5", volume: str | None = "1000", *, at: int | None = None
) -> dict[str, Any]:
    """A tick with bid and ask 0.01 % below and above `last`."""
    mid = Decimal(last)
    half = mid / 10_000
    now = int(time.time() * 1000) if at is None else at
    return {
        "bid": str(mid - half),
        "ask": str(mid + half),
        "last": last,
        "mark": last,
        "change24h": change,
        "volume24h": volume,
        "t": now,
    }


def ticks() -> dict[str, dict[str, Any]]:
    """One tick for each perp; the spot instrument has none."""
    return {base: tick(last, change, volume) for base, (_, last, change, volume) in COINS.items()}


def book(mid: int = 71284, levels: int = 25, *, at: int | None = None) -> dict[str, Any]:
    now = int(time.time() * 1000) if at is None else at
    bids = [[str(mid - step), f"{step}.5"] for step in range(1, levels + 1)]
    asks = [[str(mid + step), f"{step}.25"] for step in range(1, levels + 1)]
    return {"bids": bids, "asks": asks, "t": now}


def trade(number: int, price: str = "71284") -> list[Any]:
    return [price, "0.01", "buy" if number % 2 else "sell", int(time.time() * 1000), str(number)]


def candles_make(
    instrument: Instrument, count: int, *, interval: str = "15m", until: int | None = None
) -> None:
    """`count` closed candles that end at `until` (ms; now when None), prices rising by one."""
    step = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1440}[interval] * MINUTE
    end = int(time.time() * 1000) if until is None else until
    first = end // step * step - count * step
    Candle.objects.bulk_create(
        Candle(
            instrument=instrument,
            interval=interval,
            open_time=first + number * step,
            open=Decimal(70_000 + number),
            high=Decimal(70_010 + number),
            low=Decimal(69_990 + number),
            close=Decimal(70_001 + number),
            volume=Decimal("12.5"),
        )
        for number in range(count)
    )


def publish(
    venue: str = "hyperliquid-sim",
    *,
    status: str = "live",
    age_ms: int = 120,
    epoch: int = 1,
    offer: Any = None,
) -> None:
    """One flush by a new publisher; `offer(publisher)` queues data in addition to the ticks."""

    async def flush() -> None:
        publisher = Publisher(venue, epoch, simulated=venue == "hyperliquid-sim")
        publisher.symbols(COINS)
        publisher.queue_ticks(ticks())
        if offer:
            offer(publisher)
        await publisher.flush(status=status, age_ms=age_ms)
        await publisher.close()

    async_to_sync(flush)()
