"""Which bots there are and what their owners do: a function of the seed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, Literal
from uuid import UUID

from wallets.management.chaos.plan import SYMBOLS

ActKind = Literal["start", "stop_keep", "stop_cancel", "inputs"]
ACTS: dict[ActKind, int] = {"start": 4, "stop_keep": 1, "stop_cancel": 1, "inputs": 4}
STRATEGIES: dict[str, int] = {"as-grid": 5, "grid": 3, "dca": 1, "rebalancer": 1, "trend": 1}
BUDGET = 1_500
BETWEEN_ACTS = 6.0  # s on average, of one owner


@dataclass(frozen=True, slots=True)
class BotPlan:
    """A bot of the owner with this number. `pick`, in [0, 1), tells it from others of its strategy."""

    key: UUID
    owner: int
    strategy: str
    symbol: str
    pick: float

    def inputs(self, middle: Decimal, version: int) -> dict[str, Any]:
        """Around this price. Every second version differs in something that moves no order."""
        inputs: dict[str, Any] = INPUTS[self.strategy](self, middle, version)
        return inputs


@dataclass(frozen=True, slots=True)
class BotAct:
    """What an owner does, `pause` s after the last time. `pick` says to which of its bots."""

    kind: ActKind
    key: UUID
    pause: float
    pick: float


def plans(seed: int, count: int, owners: int) -> list[BotPlan]:
    """Owners have equally many; their first ones are all the kinds that there are."""
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


def bot_acts(seed: int, owner: int) -> Iterator[BotAct]:
    """Without end."""
    rng = Random(f"{seed} owner {owner}")
    while True:
        (kind,) = rng.choices(list(ACTS), weights=list(ACTS.values()))
        key = UUID(int=rng.getrandbits(128), version=4)
        yield BotAct(kind, key, rng.expovariate(1 / BETWEEN_ACTS), rng.random())


def _as_grid(bot: BotPlan, middle: Decimal, version: int) -> dict[str, Any]:
    return {
        "direction": ("long", "short", "neutral")[int(bot.pick * 3)], "levels": 3,
        "step": str(8 + 2 * (version // 2 % 3)), "spread": "8", "recentre": "12", "decay": "2", "horizon": "10",
        "interval": "1m", "window": 20, "max_loss": str(60 + version % 2),
    }  # fmt: skip


def _grid(bot: BotPlan, middle: Decimal, version: int) -> dict[str, Any]:
    step = Decimal("0.01").scaleb(middle.adjusted() - 3)
    lower, upper = ((middle * away).quantize(step, ROUND_DOWN) for away in (Decimal("0.99"), Decimal("1.01")))
    return {
        "direction": ("long", "short", "neutral")[int(bot.pick * 3)], "lower": str(lower), "upper": str(upper),
        "cells": 8 + 2 * (version // 2 % 2), "exit_above": str(upper * (2 + version % 2)),
    }  # fmt: skip


def _dca(bot: BotPlan, middle: Decimal, version: int) -> dict[str, Any]:
    return {
        "direction": ("long", "short")[int(bot.pick * 2)], "base": "60", "safety": "60", "count": 4,
        "deviation": "0.05", "take_profit": "0.05", "size_scale": "1.1", "cooldown": str(Decimal(version) / 100),
    }  # fmt: skip


def _rebalancer(bot: BotPlan, middle: Decimal, version: int) -> dict[str, Any]:
    return {"weight": str(30 + 10 * (version % 4)), "band": "1", "pause": "0", "most": "10"}


def _trend(bot: BotPlan, middle: Decimal, version: int) -> dict[str, Any]:
    return {
        "interval": "1m", "fast": 2, "slow": 4 + version % 2, "direction": "both", "atr_period": 5, "risk": "1",
    }  # fmt: skip


INPUTS: Mapping[str, Any] = {
    "as-grid": _as_grid, "grid": _grid, "dca": _dca, "rebalancer": _rebalancer, "trend": _trend,
}  # fmt: skip
