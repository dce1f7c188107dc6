"""Read queries of market data for pages and the API: live values from Redis, history from PostgreSQL."""

from market.selectors.candles import candle_row, candles_before, sparklines
from market.selectors.live import (
    LiveUnavailable,
    ticks_of,
    ticks_or_none,
    topic_fresh,
    topic_or_none,
    topic_snapshot,
    venue_time,
)
from market.selectors.markets import MarketRow, MarketTable, market_row, market_table
from market.selectors.system_status import SystemStatus, WorkerState, system_status
from market.selectors.venues import (
    VenueState,
    instrument_get,
    instrument_list,
    instrument_rules,
    instruments_named,
    price_decimals,
    venue_ages,
    venue_get,
    venue_problems,
    venue_states,
)

__all__ = [
    "LiveUnavailable",
    "MarketRow",
    "MarketTable",
    "SystemStatus",
    "VenueState",
    "WorkerState",
    "candle_row",
    "candles_before",
    "instrument_get",
    "instrument_list",
    "instrument_rules",
    "instruments_named",
    "market_row",
    "market_table",
    "price_decimals",
    "sparklines",
    "system_status",
    "ticks_of",
    "ticks_or_none",
    "topic_fresh",
    "topic_or_none",
    "topic_snapshot",
    "venue_ages",
    "venue_get",
    "venue_problems",
    "venue_states",
    "venue_time",
]
