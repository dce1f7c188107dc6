"""Hyperliquid's public data as a `market.venues.base.Feed`. The simulator speaks the same protocol."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from market.domain.errors import ParseError
from market.domain.events import INTERVALS, Candle, Context, Trade
from market.domain.instruments import Instrument
from market.domain.subscriptions import Limits, Subscription
from market.venues.base import Sink, Tap
from market.venues.hyperliquid import codec
from market.venues.hyperliquid.instruments import perps_read, spots_read, tokens_read
from market.venues.hyperliquid.rest import InfoClient
from market.venues.rate_limiter import Gate, LocalGate
from market.venues.stream import Stream

logger = logging.getLogger(__name__)

# The venue allows 1000 subscriptions and 2000 client messages a minute per address, over all connections.
LIMITS = Limits(subscriptions=1000, connections=1, messages_per_second=50, messages_per_minute=1800)
BARS_PER_WEIGHT = 60
CANDLES_KEPT = 5000
HEAVY, HEAVY_LIST = 20, 25
T = TypeVar("T")


def stream_url(base_url: str) -> str:
    """https://host → wss://host/ws, http://host:port → ws://host:port/ws."""
    return "ws" + base_url.rstrip("/").removeprefix("http") + "/ws"


class HyperliquidFeed:
    """`market.venues.base.Feed` over `/info` and `/ws`."""

    def __init__(
        self,
        venue: str,
        base_url: str,
        *,
        limits: Limits = LIMITS,
        tap: Tap | None = None,
        gate: Gate | None = None,
        first_pause: float = 0.5,
    ) -> None:
        self.venue = venue
        self._gate = gate or LocalGate()
        self._rest = InfoClient(venue, base_url, gate=self._gate, first=first_pause)
        self._stream = Stream(
            venue, stream_url(base_url), codec.HyperliquidCodec(), limits, tap=tap, first=first_pause
        )

    async def instruments(self) -> list[Instrument]:
        spot = await self._ask({"type": "spotMeta"}, _as_it_is)
        meta = await self._ask({"type": "meta"}, _as_it_is)
        return codec.guarded(lambda: perps_read(self.venue, meta, tokens_read(spot)), meta) + codec.guarded(
            lambda: spots_read(self.venue, spot), spot
        )

    async def contexts(self) -> list[Context]:
        both = []
        for kind in ("metaAndAssetCtxs", "spotMetaAndAssetCtxs"):
            both += await self._ask({"type": kind}, codec.contexts_read)
        return both

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> list[Candle]:
        request = {"coin": symbol, "interval": interval, "startTime": start, "endTime": end}
        bars = min(CANDLES_KEPT, (end - start) / INTERVALS[interval] + 1)
        rows, bad = await self._ask(
            {"type": "candleSnapshot", "req": request},
            codec.candles_read,
            weight=HEAVY + bars / BARS_PER_WEIGHT,
        )
        self._warn(bad, symbol)
        return sorted(rows, key=lambda candle: candle.open_time)

    async def recent_trades(self, symbol: str) -> list[Trade]:
        rows, bad = await self._ask(
            {"type": "recentTrades", "coin": symbol}, codec.trades_read, weight=HEAVY_LIST
        )
        self._warn(bad, symbol)
        return rows

    def desire(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        return self._stream.desire(subscriptions)

    async def run(self, sink: Sink) -> None:
        await self._stream.run(sink)

    async def close(self) -> None:
        await self._rest.close()
        await self._gate.close()

    async def _ask(
        self,
        request: dict[str, Any],
        read: Callable[[Any], T],
        *,
        weight: float = HEAVY,
    ) -> T:
        return codec.answer_read(await self._rest.post(request, weight=weight, lane="feed"), read)

    def _warn(self, bad: Sequence[ParseError], symbol: str) -> None:
        if bad:
            logger.warning(
                "rows left out",
                extra={"venue": self.venue, "symbol": symbol, "count": len(bad), "reason": str(bad[0])},
            )


def _as_it_is(answer: Any) -> Any:
    return answer
