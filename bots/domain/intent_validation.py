"""What a strategy said, read once: is it sense, and what does it come to?"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bots.sdk.intents import Cancel, CancelAll, Close, Idle, Level, Place, Quotes
from bots.sdk.json_codec import plain_encode
from market.domain.instruments import Rules

LEVELS_MOST = 200
REASON_LONGEST = 300
RESERVED = "close"
STATE_LARGEST = 65_536


class Junk(Exception):
    """A strategy said something that means nothing. The text is a sentence for its author."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The sum of one callback's intents: each step replaces, adds or removes wanted levels."""

    steps: tuple[Quotes | Place | Cancel | CancelAll, ...]
    close: bool
    idle: str

    @property
    def wants_orders(self) -> bool:
        return any(
            isinstance(step, Place) or (isinstance(step, Quotes) and bool(step.levels)) for step in self.steps
        )

    def applied(self, wanted: tuple[Level, ...]) -> tuple[Level, ...]:
        """The wanted levels after the steps. Raises Junk when they are too many."""
        if not self.steps:
            return wanted
        levels = {level.id: level for level in wanted}
        for step in self.steps:
            match step:
                case Quotes():
                    levels = {level.id: level for level in step.levels}
                case Place():
                    levels[step.level.id] = step.level
                case Cancel():
                    levels.pop(step.level_id, None)
                case CancelAll():
                    levels = {}
        if len(levels) > LEVELS_MOST:
            raise Junk(f"{len(levels)} levels are wanted; {LEVELS_MOST} are the most.")
        return tuple(levels.values())


NOTHING = Wishes((), close=False, idle="")


def judged(intents: object, rules: Rules) -> Wishes:
    """The wishes, checked. Raises Junk for the first thing that is none."""
    if not isinstance(intents, list):
        raise Junk("The intents are no list.")
    steps: list[Quotes | Place | Cancel | CancelAll] = []
    close, idle = False, ""
    for intent in intents:
        match intent:
            case Quotes():
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
                idle = reason[:REASON_LONGEST]
            case _:
                raise Junk(f"{intent!r:.200} is no intent.")
    return Wishes(tuple(steps), close, idle)


def state_written(state: object) -> str:
    """A strategy's state as it is stored. Raises Junk, and PlainInvalid for what is not plain data."""
    written = json.dumps(plain_encode(state), separators=(",", ":"), sort_keys=True)
    if not isinstance(state, dict) or len(written) > STATE_LARGEST:
        raise Junk(f"The state is no dictionary of at most {STATE_LARGEST} bytes.")
    return written


def _check_all(levels: Iterable[object], rules: Rules) -> None:
    seen = set()
    for level in levels:
        if not isinstance(level, Level):
            raise Junk(f"{level!r:.200} is no level.")
        if problem := level.problem() or _off_rules(level, rules):
            raise Junk(f"Not an order: {problem}.")
        if level.id in seen:
            raise Junk(f"Two levels are called {level.id!r}.")
        seen.add(level.id)


def _off_rules(level: Level, rules: Rules) -> str | None:
    if level.id == RESERVED:
        return f"the level id {RESERVED!r} is kept for closing the position"
    if not rules.price_is_valid(level.price):
        return f"the price {level.price} of level {level.id} is not on a tick"
    if level.trigger is not None and not rules.price_is_valid(level.trigger):
        return f"the trigger {level.trigger} of level {level.id} is not on a tick"
    if level.size != rules.round_size(level.size):
        return f"the size {level.size} of level {level.id} is not a whole number of lots"
    return None
