"""Strategy SDK: the public API for authors of strategies. The guide is `docs/writing-a-strategy.md`.

The same strategy class runs live, on paper, in previews and in backtests: it reads only the context of the
callback, acts through intents, and keeps its state in `context.state`.
"""

from bots.sdk.context import Context, Fees, OpenOrder, Position, Terms
from bots.sdk.events import BookSnapshot, Fill, OrderUpdate, Tick
from bots.sdk.indicators import atr, ema, ewma, returns, trend_score, volatility
from bots.sdk.inputs import (
    Boolean,
    Choice,
    Integer,
    InvalidInputs,
    Number,
    OptionalNumber,
    dump_inputs,
    parse_inputs,
    schema,
)
from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Intent, Level, Place, SetOrders
from bots.sdk.json_codec import InvalidJsonValue, JsonValue, json_decode, json_encode
from bots.sdk.rng import SeededRandom
from bots.sdk.strategy import DataRequirements, Strategy
from market.domain.events import INTERVALS, Candle, Side
from market.domain.instruments import Instrument, InstrumentRules

__all__ = [
    "INTERVALS",
    "BookSnapshot",
    "Boolean",
    "Cancel",
    "CancelAll",
    "Candle",
    "Choice",
    "Close",
    "Context",
    "DataRequirements",
    "Fees",
    "Fill",
    "Idle",
    "Instrument",
    "InstrumentRules",
    "Integer",
    "Intent",
    "InvalidInputs",
    "InvalidJsonValue",
    "JsonValue",
    "Level",
    "Number",
    "OpenOrder",
    "OptionalNumber",
    "OrderUpdate",
    "Place",
    "Position",
    "SeededRandom",
    "SetOrders",
    "Side",
    "Strategy",
    "Terms",
    "Tick",
    "atr",
    "dump_inputs",
    "ema",
    "ewma",
    "json_decode",
    "json_encode",
    "parse_inputs",
    "returns",
    "schema",
    "trend_score",
    "volatility",
]
