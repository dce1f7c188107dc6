"""Queries of strategies: registry, code hash, and the versions of a bot's inputs with their differences."""

import hashlib
import inspect
import sys
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from bots.models import Bot
from bots.sdk import Fees, Strategy, Terms, schema
from bots.selectors.bots import inputs_of
from bots.strategies import STRATEGIES
from market.selectors import instrument_rules
from market.venues import venue_adapter


def strategy_get(key: str) -> type[Strategy] | None:
    """The strategy with this key, if it is available."""
    return STRATEGIES.get(key)


def code_hash(strategy: type[Strategy]) -> str:
    """Hash of the source of the strategy's module."""
    return _module_hash(strategy.__module__)


@cache
def _module_hash(name: str) -> str:
    return hashlib.sha256(inspect.getsource(sys.modules[name]).encode()).hexdigest()


def terms_of(instrument: object, budget: Decimal, leverage: int) -> Terms:
    """The terms of a bot. `instrument` is a row of the market app."""
    rules = instrument_rules(instrument)  # type: ignore[arg-type]
    # Fees of the lowest tier: the terms of a bot must not change when its owner trades more.
    rates = venue_adapter(rules.venue).fee_rates(rules.kind)
    return Terms(rules, budget, leverage, Fees(rates.maker, rates.taker))


def bot_terms(bot: Bot) -> Terms:
    """The terms of an existing bot."""
    return terms_of(bot.instrument, bot.budget, bot.leverage)


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
