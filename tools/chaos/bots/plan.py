"""Plan of the bot scenario: bots and the actions of their owners, as a function of the seed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, Literal
from uuid import UUID

from tools.chaos.plan import SYMBOLS

ActionKind = Literal["start", "stop_keep", "stop_cancel", "inputs"]
ACTION_WEIGHTS: dict[ActionKind, int] = {"start": 4, "stop_keep": 1, "stop_cancel": 1, "inputs": 4}
STRATEGIES: dict[str, int] = {"as-grid": 5, "grid": 3, "dca": 1, "rebalancer": 1, "trend": 1}
BUDGET = 1_500
ACTION_INTERVAL = 6.0  # mean s between the actions of one owner


@dataclass(frozen=True, slots=True)
class BotPlan:
    """Planned bot; `owner` is a number. `pick`, in [0, 1), varies the inputs between bots of one strategy."""

    key: UUID
    owner: int
    strategy: str
    symbol: str
    pick: float

    def inputs(self, mid: Decimal, version: int) -> dict[str, Any]:
        """Inputs around a mid price. Every second version changes only an input that moves no order."""
        inputs: dict[str, Any] = INPUTS[self.strategy](self, mid, version)
        return inputs


@dataclass(frozen=True, slots=True)
class BotAction:
    """Action of an owner, `pause` s after the last one. `pick`, in [0, 1), selects the bot."""

    kind: ActionKind
    key: UUID
    pause: float
    pick: float


def plans(seed: int, count: int, owners: int) -> list[BotPlan]:
    """Bots of all owners, in equal numbers; the first bots cover all strategies."""
    rng = Random(f"{seed} bots")
    kinds, weights = list(STRATEGIES), list(STRATEGIES.values())
    return [
        BotPlan(
            key=UUID(int=rng.getrandbits(128), version=4),
            owner=number % owners,
            strategy=kinds[number] if number < len(kinds) else rng.choices(kinds, weights=weights)[0],
            symbol=rng.choice(SYMBOLS),
            pick=rng.random(),
        )
        for number in range(count)
    ]


def bot_actions(seed: int, owner: int) -> Iterator[BotAction]:
    """Endless sequence of the actions of one owner."""
    rng = Random(f"{seed} owner {owner}")
    while True:
        (kind,) = rng.choices(list(ACTION_WEIGHTS), weights=list(ACTION_WEIGHTS.values()))
        key = UUID(int=rng.getrandbits(128), version=4)
        yield BotAction(kind, key, rng.expovariate(1 / ACTION_INTERVAL), rng.random())


def _as_grid(bot: BotPlan, mid: Decimal, version: int) -> dict[str, Any]:
    return {
        "direction": ("long", "short", "neutral")[int(bot.pick * 3)], "levels": 3,
        "step": str(8 + 2 * (version // 2 % 3)), "spread": "8", "recentre": "12", "decay": "2", "horizon": "10",
        "interval": "1m", "window": 20, "max_loss": str(60 + version % 2),
    }  # fmt: skip


def _grid(bot: BotPlan, mid: Decimal, version: int) -> dict[str, Any]:
    step = Decimal("0.01").scaleb(mid.adjusted() - 3)
    lower, upper = (
        (mid * factor).quantize(step, ROUND_DOWN) for factor in (Decimal("0.99"), Decimal("1.01"))
    )
    return {
        "direction": ("long", "short", "neutral")[int(bot.pick * 3)], "lower": str(lower), "upper": str(upper),
        "cells": 8 + 2 * (version // 2 % 2), "exit_above": str(upper * (2 + version % 2)),
    }  # fmt: skip


def _dca(bot: BotPlan, mid: Decimal, version: int) -> dict[str, Any]:
    return {
        "direction": ("long", "short")[int(bot.pick * 2)], "base": "60", "safety": "60", "count": 4,
        "deviation": "0.05", "take_profit": "0.05", "size_scale": "1.1", "cooldown": str(Decimal(version) / 100),
    }  # fmt: skip


def _rebalancer(bot: BotPlan, mid: Decimal, version: int) -> dict[str, Any]:
    return {"weight": str(30 + 10 * (version % 4)), "band": "1", "pause": "0", "most": "10"}


def _trend(bot: BotPlan, mid: Decimal, version: int) -> dict[str, Any]:
    return {
        "interval": "1m", "fast": 2, "slow": 4 + version % 2, "direction": "both", "atr_period": 5, "risk": "1",
    }  # fmt: skip


INPUTS: Mapping[str, Any] = {
    "as-grid": _as_grid, "grid": _grid, "dca": _dca, "rebalancer": _rebalancer, "trend": _trend,
}  # fmt: skip
