"""What the author of a strategy imports, and nothing else. `docs/writing-a-strategy.md` is its guide.

The same class runs built in, in the sandbox, on paper, live and in backtests: it sees only the context
that it is handed, says what it wants in intents, and keeps what it must remember in `context.state`.
"""

from bots.sdk.context import Context, Fees, OwnOrder, Position, Terms
from bots.sdk.events import BookSeen, Fill, OrderNews, Tick
from bots.sdk.indicators import atr, ema, ewma, returns, trend_score, volatility
from bots.sdk.inputs import (
    Choice,
    Flag,
    InputsInvalid,
    Number,
    OptionalNumber,
    Whole,
    inputs_read,
    inputs_write,
    schema,
)
from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Intent, Level, Place, Quotes
from bots.sdk.json_codec import Plain, PlainInvalid, plain_decode, plain_encode
from bots.sdk.rng import Dice
from bots.sdk.strategy import Needs, Strategy
from market.domain.events import INTERVALS, Candle, Side
from market.domain.instruments import Instrument, Rules

__all__ = [
    "INTERVALS",
    "BookSeen",
    "Cancel",
    "CancelAll",
    "Candle",
    "Choice",
    "Close",
    "Context",
    "Dice",
    "Fees",
    "Fill",
    "Flag",
    "Idle",
    "InputsInvalid",
    "Instrument",
    "Intent",
    "Level",
    "Needs",
    "Number",
    "OptionalNumber",
    "OrderNews",
    "OwnOrder",
    "Place",
    "Plain",
    "PlainInvalid",
    "Position",
    "Quotes",
    "Rules",
    "Side",
    "Strategy",
    "Terms",
    "Tick",
    "Whole",
    "atr",
    "ema",
    "ewma",
    "inputs_read",
    "inputs_write",
    "plain_decode",
    "plain_encode",
    "returns",
    "schema",
    "trend_score",
    "volatility",
]
