"""Selectors: read operations on bots for pages, the API, services and the supervisor."""

from bots.selectors.attribution import HolderShare, InstrumentAttribution, attribution_of, attributions_of
from bots.selectors.bots import (
    bot_find,
    bot_get,
    bots_of,
    events_of,
    inputs_of,
    run_active,
    run_last,
    visible_events,
)
from bots.selectors.cards import BotCard, BotFilter, FilteredBots, bots_listed, cards_of
from bots.selectors.charts import ChartOverlay, chart_overlay, equity_of, sparks_of
from bots.selectors.ledger import bot_pnl, bots_pnl, wallets_with_unposted
from bots.selectors.strategies import (
    InputChange,
    InputsVersion,
    bot_terms,
    code_hash,
    strategy_get,
    terms_of,
    versions_of,
)

__all__ = [
    "BotCard",
    "BotFilter",
    "ChartOverlay",
    "FilteredBots",
    "HolderShare",
    "InputChange",
    "InputsVersion",
    "InstrumentAttribution",
    "attribution_of",
    "attributions_of",
    "bot_find",
    "bot_get",
    "bot_pnl",
    "bot_terms",
    "bots_listed",
    "bots_of",
    "bots_pnl",
    "cards_of",
    "chart_overlay",
    "code_hash",
    "equity_of",
    "events_of",
    "inputs_of",
    "run_active",
    "run_last",
    "sparks_of",
    "strategy_get",
    "terms_of",
    "versions_of",
    "visible_events",
    "wallets_with_unposted",
]
