"""Preview of a bot before it is created: the orders it would place now. Nothing is stored."""

from typing import TYPE_CHECKING
from uuid import UUID

from bots.domain.events import TickReceived
from bots.domain.preview import StrategyPreview
from bots.domain.requests import BotRequest
from bots.domain.runner import RunSpec, preview
from bots.sdk import parse_inputs
from bots.selectors.market_data import candles_stored, tick_read
from bots.selectors.strategies import code_hash
from bots.services.bots import ValidatedRequest, validate_request
from wallets.selectors import prices_of

if TYPE_CHECKING:
    from accounts.models import User

NIL_RUN_ID = UUID(int=0)  # the run id seeds the random numbers: they are the same in every preview
NO_PRICE = "There is no current price for this instrument, so no orders can be previewed."


def bot_preview(*, user: "User", request: BotRequest, now: int) -> StrategyPreview:
    """The levels that the bot would place now, or the reason for none. Raises `BotInvalid`."""
    validated = validate_request(user, request)
    instrument = validated.terms.instrument
    tick = tick_read(prices_of(instrument.venue), instrument.symbol)
    if tick is None:
        return StrategyPreview(validated.terms, (), NO_PRICE, None)
    spec = _spec(validated)
    requirements = validated.strategy(spec.inputs).requirements()
    interval, count = requirements.interval, requirements.candles
    candles = candles_stored(instrument, interval, count) if interval and count else ()
    levels, reason = preview(spec, TickReceived(now, tick), candles)
    return StrategyPreview(validated.terms, levels, reason, tick.last if tick.mark is None else tick.mark)


def _spec(validated: ValidatedRequest) -> RunSpec:
    inputs = parse_inputs(validated.strategy, validated.inputs)
    return RunSpec(NIL_RUN_ID, validated.strategy, validated.terms, inputs, 1, code_hash(validated.strategy))
