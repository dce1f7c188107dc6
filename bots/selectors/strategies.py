"""Available strategies, their code hashes, and the terms of a bot (instrument, budget, fees)."""

import hashlib
import inspect
import sys
from decimal import Decimal
from functools import cache

from bots.models import Bot
from bots.sdk import Fees, Strategy, Terms
from bots.strategies import STRATEGIES
from market.selectors import instrument_rules
from wallets.domain.risk import PERP_FEE, SPOT_FEE

# Maker fees of the lowest tier, as in docs/strategies; taker fees as in the wallet's risk check.
MAKER = {"perp": Decimal("0.00015"), "spot": Decimal("0.0004")}
TAKER = {"perp": PERP_FEE, "spot": SPOT_FEE}


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
    return Terms(rules, budget, leverage, Fees(MAKER[rules.kind], TAKER[rules.kind]))


def bot_terms(bot: Bot) -> Terms:
    """The terms of an existing bot."""
    return terms_of(bot.instrument, bot.budget, bot.leverage)
