"""Synthetic price feed of the bots benchmark. `python -m benchmarks.bots_feed`

Reads `{"instruments", "rate"}` and publishes like the feed worker until it is terminated. Prices are random walks
with a volatility of 50 % per year. Stores closed candles too.
"""

import asyncio
import math
import random
import sys
import time
from decimal import Decimal
from typing import Any

import django
import orjson
import uvloop

VENUE, INTERVAL, WIDTH = "hyperliquid-sim", "5m", 300_000
VOLATILITY, YEAR = 0.5, 365 * 86_400
PRICE = 50_000.0
SPREAD = 2  # ticks of 0.1, to either side


def symbols(count: int) -> list[str]:
    return [f"S{number:03}" for number in range(count)]


class Walk:
    """Random walk of one instrument's price, deterministic for a seed."""

    def __init__(self, seed: int, rate: float) -> None:
        self._rng = random.Random(seed)
        self._step = VOLATILITY / math.sqrt(YEAR * rate)
        self.price = PRICE

    def tick(self, now: int) -> dict[str, Any]:
        self.price *= math.exp(self._rng.gauss(0.0, self._step))
        tenths = round(self.price * 10)
        bid, ask, last = (str(Decimal(at).scaleb(-1)) for at in (tenths - SPREAD, tenths + SPREAD, tenths))
        return {
            "bid": bid, "ask": ask, "last": last, "mark": last, "change24h": "0", "volume24h": "1000000", "t": now
        }  # fmt: skip


def candles(instruments: list[Any], prices: dict[str, float], first: int, count: int) -> list[Any]:
    """`count` candles per instrument from opening time `first` on: a random walk backwards from the current price."""
    from market.models import Candle

    rows = []
    for instrument in instruments:
        rng = random.Random(instrument.pk)
        price = prices[instrument.symbol]
        for number in reversed(range(count)):
            before = price * math.exp(rng.gauss(0.0, VOLATILITY / math.sqrt(YEAR / (WIDTH / 1000))))
            ends = (Decimal(round(before * 10)).scaleb(-1), Decimal(round(price * 10)).scaleb(-1))
            candle = Candle(
                instrument=instrument, interval=INTERVAL, open_time=first + number * WIDTH, open=ends[0],
                high=max(ends), low=min(ends), close=ends[1], volume=1,
            )  # fmt: skip
            rows.append(candle)
            price = before
    return rows


async def publish(count: int, rate: float) -> None:
    from market.hub import Publisher
    from market.models import Candle, Instrument

    walks = {symbol: Walk(number, rate) for number, symbol in enumerate(symbols(count))}
    publisher = Publisher(VENUE, int(time.time()), simulated=True)
    publisher.symbols(walks)
    rows = [row async for row in Instrument.objects.filter(venue=VENUE)]
    closed = _opening()
    due = time.monotonic()
    while True:
        now = int(time.time() * 1000)
        publisher.queue_ticks({symbol: walk.tick(now) for symbol, walk in walks.items()})
        await publisher.flush(status="live", age_ms=1)
        if _opening() > closed:
            prices = {symbol: walk.price for symbol, walk in walks.items()}
            await Candle.objects.abulk_create(candles(rows, prices, closed, 1), ignore_conflicts=True)
            closed = _opening()
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def _opening() -> int:
    """Opening time of the current candle."""
    return int(time.time() * 1000) // WIDTH * WIDTH


def main() -> None:
    django.setup()
    params = orjson.loads(sys.stdin.buffer.readline())
    uvloop.run(publish(params["instruments"], params["rate"]))


if __name__ == "__main__":
    main()
