"""What may be run, and on which terms."""

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

# What makers pay in the lowest tier, as in docs/strategies; takers pay what the wallet's risk check counts.
MAKER = {"perp": Decimal("0.00015"), "spot": Decimal("0.0004")}
TAKER = {"perp": PERP_FEE, "spot": SPOT_FEE}


def strategy_get(key: str) -> type[Strategy] | None:
    return STRATEGIES.get(key)


def code_hash(strategy: type[Strategy]) -> str:
    """Of the source that decides: the strategy's module."""
    return _module_hash(strategy.__module__)


@cache
def _module_hash(name: str) -> str:
    return hashlib.sha256(inspect.getsource(sys.modules[name]).encode()).hexdigest()


def terms_of(instrument: object, budget: Decimal, leverage: int) -> Terms:
    """`instrument` is a row of the market's."""
    rules = instrument_rules(instrument)  # type: ignore[arg-type]
    return Terms(rules, budget, leverage, Fees(MAKER[rules.kind], TAKER[rules.kind]))


def bot_terms(bot: Bot) -> Terms:
    return terms_of(bot.instrument, bot.budget, bot.leverage)
