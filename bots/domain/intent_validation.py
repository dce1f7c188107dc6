"""Validation of a strategy's intents: checks a callback's output and applies it to the target levels."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Level, Place, SetOrders
from bots.sdk.json_codec import json_encode
from market.domain.instruments import InstrumentRules

MAX_LEVELS = 200
MAX_REASON_LENGTH = 300
RESERVED = "close"
MAX_STATE_BYTES = 65_536


class InvalidIntents(Exception):
    """A strategy returned an invalid intent. The message is a sentence for the strategy's author."""


@dataclass(frozen=True, slots=True)
class ValidIntents:
    """The checked intents of one callback: each step replaces, adds or removes target levels."""

    steps: tuple[SetOrders | Place | Cancel | CancelAll, ...]
    close: bool
    idle: str

    @property
    def has_orders(self) -> bool:
        return any(
            isinstance(step, Place) or (isinstance(step, SetOrders) and bool(step.levels))
            for step in self.steps
        )

    def applied(self, target: tuple[Level, ...]) -> tuple[Level, ...]:
        """The target levels after the steps. Raises `InvalidIntents` when there are too many."""
        if not self.steps:
            return target
        levels = {level.id: level for level in target}
        for step in self.steps:
            match step:
                case SetOrders():
                    levels = {level.id: level for level in step.levels}
                case Place():
                    levels[step.level.id] = step.level
                case Cancel():
                    levels.pop(step.level_id, None)
                case CancelAll():
                    levels = {}
        if len(levels) > MAX_LEVELS:
            raise InvalidIntents(f"{len(levels)} levels are too many; at most {MAX_LEVELS} are allowed.")
        return tuple(levels.values())


NOTHING = ValidIntents((), close=False, idle="")


def validate_intents(intents: object, rules: InstrumentRules) -> ValidIntents:
    """The checked intents. Raises `InvalidIntents` for the first invalid one."""
    if not isinstance(intents, list):
        raise InvalidIntents("The intents are not a list.")
    steps: list[SetOrders | Place | Cancel | CancelAll] = []
    close, idle = False, ""
    for intent in intents:
        match intent:
            case SetOrders():
                _check_all(intent.levels, rules)
                steps.append(intent)
            case Place():
                _check_all((intent.level,), rules)
                steps.append(intent)
            case Cancel() | CancelAll():
                steps.append(intent)
            case Close():
                close = True
            case Idle(reason=str() as reason) if reason:
                idle = reason[:MAX_REASON_LENGTH]
            case _:
                raise InvalidIntents(f"{intent!r:.200} is not an intent.")
    return ValidIntents(tuple(steps), close, idle)


def state_written(state: object) -> str:
    """The stored JSON text of a strategy's state.

    Raises `InvalidIntents`, or `InvalidJsonValue` for data that has no JSON form.
    """
    written = json.dumps(json_encode(state), separators=(",", ":"), sort_keys=True)
    if not isinstance(state, dict) or len(written) > MAX_STATE_BYTES:
        raise InvalidIntents(f"The state is not a dictionary of at most {MAX_STATE_BYTES} bytes.")
    return written


def _check_all(levels: Iterable[object], rules: InstrumentRules) -> None:
    seen = set()
    for level in levels:
        if type(level) is not Level:  # a subclass could not be stored
            raise InvalidIntents(f"{level!r:.200} is not a level.")
        if problem := level.validation_error() or _rules_error(level, rules):
            raise InvalidIntents(f"Invalid level: {problem}.")
        if level.id in seen:
            raise InvalidIntents(f"Duplicate level id {level.id!r}.")
        seen.add(level.id)


def _rules_error(level: Level, rules: InstrumentRules) -> str | None:
    if level.id == RESERVED:
        return f"the level id {RESERVED!r} is reserved for closing the position"
    if not rules.price_is_valid(level.price):
        return f"the price {level.price} of level {level.id} is not a multiple of the price tick"
    if level.trigger is not None and not rules.price_is_valid(level.trigger):
        return f"the trigger {level.trigger} of level {level.id} is not a multiple of the price tick"
    if level.size != rules.round_size(level.size):
        return f"the size {level.size} of level {level.id} is not a multiple of the size step"
    if level.size and not rules.size_is_valid(level.size):
        return f"the size {level.size} of level {level.id} is outside the bounds of the instrument"
    return None
