"""What pages, the API, services and the supervisor read of bots."""

from bots.selectors.attribution import Share, Split, attribution_of, splits_of
from bots.selectors.bot_list import Listed, Wish, bots_listed
from bots.selectors.bots import (
    bot_find,
    bot_get,
    bots_of,
    events_of,
    events_told,
    inputs_of,
    run_active,
    run_last,
)
from bots.selectors.cards import BotCard, cards_of
from bots.selectors.charts import Drawing, drawing_of, equity_of, sparks_of
from bots.selectors.inputs import Change, Version, versions_of
from bots.selectors.ledger import book_of, books_of, wallets_unposted
from bots.selectors.strategies import bot_terms, code_hash, strategy_get, terms_of

__all__ = [
    "BotCard",
    "Change",
    "Drawing",
    "Listed",
    "Share",
    "Split",
    "Version",
    "Wish",
    "attribution_of",
    "book_of",
    "books_of",
    "bot_find",
    "bot_get",
    "bot_terms",
    "bots_listed",
    "bots_of",
    "cards_of",
    "code_hash",
    "drawing_of",
    "equity_of",
    "events_of",
    "events_told",
    "inputs_of",
    "run_active",
    "run_last",
    "sparks_of",
    "splits_of",
    "strategy_get",
    "terms_of",
    "versions_of",
    "wallets_unposted",
]
