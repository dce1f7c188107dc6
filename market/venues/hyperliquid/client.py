"""Hyperliquid feed: public market data as a `market.venues.base.Feed`. Also used for the simulator."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from market.domain.events import INTERVALS, Candle, Context, Trade
from market.domain.instruments import Instrument
from market.domain.subscriptions import StreamLimits, Subscription
from market.venues.base import FeedListener, Tap
from market.venues.hyperliquid import codec
from market.venues.hyperliquid.instruments import perps_read, spots_read, tokens_read
from market.venues.hyperliquid.parsing import JsonObject
from market.venues.hyperliquid.rest import InfoClient
from market.venues.rate_limiter import LocalRateLimiter, RateLimiter
from market.venues.rows import Rows, rejected_count, rejected_text
from market.venues.stream import StreamPool

logger = logging.getLogger(__name__)

# The venue allows 1000 subscriptions and 2000 client messages per minute per IP address, over all connections.
LIMITS = StreamLimits(subscriptions=1000, connections=1, messages_per_second=50, messages_per_minute=1800)
BARS_PER_WEIGHT = 60
MAX_CANDLES = 5000
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
        limits: StreamLimits = LIMITS,
        tap: Tap | None = None,
        rate_limiter: RateLimiter | None = None,
        first_pause: float = 0.5,
    ) -> None:
        self.venue = venue
        self._rate_limiter = rate_limiter or LocalRateLimiter()
        self._rest = InfoClient(venue, base_url, rate_limiter=self._rate_limiter, first=first_pause)
        self._stream = StreamPool(
            venue, stream_url(base_url), codec.HyperliquidCodec(), limits, tap=tap, first=first_pause
        )

    async def instruments(self) -> Rows[Instrument]:
        spot = await self._request({"type": "spotMeta"}, _identity)
        meta = await self._request({"type": "meta"}, _identity)
        perps = codec.guarded(lambda: perps_read(self.venue, meta, tokens_read(spot)), meta)
        return self._reported(
            "instruments", perps.joined(codec.guarded(lambda: spots_read(self.venue, spot), spot))
        )

    async def contexts(self) -> Rows[Context]:
        both: Rows[Context] = Rows()
        for kind in ("metaAndAssetCtxs", "spotMetaAndAssetCtxs"):
            both = both.joined(await self._request({"type": kind}, codec.contexts_read))
        return self._reported("contexts", both)

    async def candles(self, symbol: str, interval: str, start: int, end: int) -> Rows[Candle]:
        request = {"coin": symbol, "interval": interval, "startTime": start, "endTime": end}
        bars = min(MAX_CANDLES, (end - start) / INTERVALS[interval] + 1)
        rows = await self._request(
            {"type": "candleSnapshot", "req": request},
            codec.candles_read,
            weight=HEAVY + bars / BARS_PER_WEIGHT,
        )
        ordered = sorted(rows, key=lambda candle: candle.open_time)
        return self._reported(f"candles of {symbol}", Rows(ordered, rows.rejected))

    async def recent_trades(self, symbol: str) -> Rows[Trade]:
        rows = await self._request(
            {"type": "recentTrades", "coin": symbol}, codec.trades_read, weight=HEAVY_LIST
        )
        return self._reported(f"trades of {symbol}", rows)

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> Sequence[Subscription]:
        return self._stream.set_subscriptions(subscriptions)

    async def run(self, listener: FeedListener) -> None:
        await self._stream.run(listener)

    async def close(self) -> None:
        await self._rest.close()
        await self._rate_limiter.close()

    async def _request(
        self,
        request: dict[str, Any],
        read: Callable[[Any], T],
        *,
        weight: float = HEAVY,
    ) -> T:
        return codec.response_read(await self._rest.post(request, weight=weight, lane="feed"), read)

    def _reported(self, what: str, rows: Rows[T]) -> Rows[T]:
        rejected_count(self.venue, what.partition(" ")[0], rows.rejected)
        if rows.rejected:
            logger.warning(
                "rows left out",
                extra={"venue": self.venue, "reason": rejected_text(what, rows.rejected)},
            )
        return rows


def _identity(value: JsonObject) -> JsonObject:
    return value
