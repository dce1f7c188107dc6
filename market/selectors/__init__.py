"""What pages and the API read of the market. Live values come from Redis, history from PostgreSQL."""

from market.selectors.candles import candle_row, candles_before, sparklines
from market.selectors.instruments import (
    instrument_get,
    instrument_list,
    instrument_rules,
    instruments_named,
    price_decimals,
)
from market.selectors.live import (
    LiveUnavailable,
    ticks_known,
    ticks_of,
    topic_fresh,
    topic_known,
    topic_snapshot,
    venue_time,
)
from market.selectors.markets import Board, BoardRow, board_get, board_row
from market.selectors.system_status import House, WorkerState, house_state
from market.selectors.venues import VenueState, venue_ages, venue_get, venue_states

__all__ = [
    "Board",
    "BoardRow",
    "House",
    "LiveUnavailable",
    "VenueState",
    "WorkerState",
    "board_get",
    "board_row",
    "candle_row",
    "candles_before",
    "house_state",
    "instrument_get",
    "instrument_list",
    "instrument_rules",
    "instruments_named",
    "price_decimals",
    "sparklines",
    "ticks_known",
    "ticks_of",
    "topic_fresh",
    "topic_known",
    "topic_snapshot",
    "venue_ages",
    "venue_get",
    "venue_states",
    "venue_time",
]
