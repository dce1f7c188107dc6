"""Versions of a bot's inputs, with the changes of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bots.models import Bot
from bots.sdk import schema
from bots.selectors.bots import inputs_of
from bots.selectors.strategies import strategy_get


@dataclass(frozen=True, slots=True)
class InputChange:
    """Change of one input; None means that it was not set."""

    name: str
    label: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class InputsVersion:
    """One version of the inputs. `changes` are relative to the version before; the first one has none."""

    version: int
    created_at: datetime
    inputs: dict[str, Any]
    changes: tuple[InputChange, ...]


def versions_of(bot: Bot) -> list[InputsVersion]:
    """All versions of the bot's inputs with their changes, newest first."""
    strategy = strategy_get(bot.strategy)
    described = schema(strategy)["properties"] if strategy else {}
    rows = list(inputs_of(bot))
    previous_inputs = [*(row.inputs for row in rows[1:]), rows[-1].inputs] if rows else []
    return [
        InputsVersion(row.version, row.created_at, row.inputs, _changes(before, row.inputs, described))
        for row, before in zip(rows, previous_inputs, strict=True)
    ]


def _changes(
    before: dict[str, Any], after: dict[str, Any], described: dict[str, Any]
) -> tuple[InputChange, ...]:
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        InputChange(name, described.get(name, {}).get("title", name), before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )
