"""What a bot would do, for whoever is about to make it. Nothing is stored."""

from typing import Any
from uuid import UUID

from bots.domain.events import Ticked
from bots.domain.preview import Outlook
from bots.domain.requests import BotRequest
from bots.domain.runner import Spec, preview
from bots.sdk import inputs_read
from bots.selectors.market_data import candles_stored, tick_read
from bots.selectors.strategies import code_hash
from bots.services.bots import Judged, request_judged
from wallets.selectors import prices_of

NOBODY = UUID(int=0)  # a run that is none: what is drawn by lot is drawn the same at every look
NO_PRICE = "There is no fresh price of this instrument, so nothing can be said about its levels."


def bot_preview(*, user: Any, request: BotRequest, now: int) -> Outlook:
    """The levels that it would quote now, or why none. Raises `BotInvalid` as `bot_create` does."""
    asked = request_judged(user, request)
    instrument = asked.terms.instrument
    tick = tick_read(prices_of(instrument.venue), instrument.symbol)
    if tick is None:
        return Outlook(asked.terms, (), NO_PRICE, None)
    spec = _spec(asked)
    needs = asked.strategy(spec.inputs).needs()
    interval, count = needs.interval, needs.candles
    candles = candles_stored(instrument, interval, count) if interval and count else ()
    levels, reason = preview(spec, Ticked(now, tick), candles)
    return Outlook(asked.terms, levels, reason, tick.last if tick.mark is None else tick.mark)


def _spec(asked: Judged) -> Spec:
    inputs = inputs_read(asked.strategy, asked.inputs)
    return Spec(NOBODY, asked.strategy, asked.terms, inputs, 1, code_hash(asked.strategy))
