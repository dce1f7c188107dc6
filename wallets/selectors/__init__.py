"""What pages, the API and `execution` read."""

from wallets.selectors.cards import WalletCard, card_of
from wallets.selectors.holdings import Holding, holdings_of
from wallets.selectors.market import Prices, prices_of
from wallets.selectors.reading import (
    Held,
    Money,
    Why,
    balances_of,
    entries_page,
    fills_page,
    order_get,
    order_why,
    orders_page,
    positions_of,
    transfers_page,
    wallet_get,
    wallets_of,
)
from wallets.selectors.situation import limits_of, situation_of, trading_state, wallets_with_states
from wallets.selectors.sourced import (
    source_fills,
    source_fills_after,
    source_orders,
    source_orders_named,
    sources_changed,
    sources_live,
)
from wallets.selectors.story import Event, Story, order_story

__all__ = [
    "Event",
    "Held",
    "Holding",
    "Money",
    "Prices",
    "Story",
    "WalletCard",
    "Why",
    "balances_of",
    "card_of",
    "entries_page",
    "fills_page",
    "holdings_of",
    "limits_of",
    "order_get",
    "order_story",
    "order_why",
    "orders_page",
    "positions_of",
    "prices_of",
    "situation_of",
    "source_fills",
    "source_fills_after",
    "source_orders",
    "source_orders_named",
    "sources_changed",
    "sources_live",
    "trading_state",
    "transfers_page",
    "wallet_get",
    "wallets_of",
    "wallets_with_states",
]
