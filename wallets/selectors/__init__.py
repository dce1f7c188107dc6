"""What pages, the API and `execution` read."""

from wallets.selectors.bot_orders import (
    source_fills,
    source_fills_after,
    source_orders,
    source_orders_named,
    sources_changed,
    sources_fills_newest,
    sources_live,
)
from wallets.selectors.cards import WalletCard, card_of
from wallets.selectors.ledger_cursor import (
    ASKED_HERE,
    Moved,
    Payment,
    coins_at,
    fills_beyond,
    payments_beyond,
    payments_read,
    positions_at,
    trades_later,
    wallets_beyond,
)
from wallets.selectors.order_history import Event, Story, order_story
from wallets.selectors.orders import Why, fills_page, order_get, order_why, orders_page
from wallets.selectors.positions import Holding, holdings_of
from wallets.selectors.prices import Prices, prices_of
from wallets.selectors.risk_context import limits_of, situation_of, trading_state, wallets_with_states
from wallets.selectors.wallets import (
    Held,
    Money,
    balances_of,
    entries_page,
    positions_of,
    transfers_page,
    wallet_get,
    wallet_whereabouts,
    wallets_of,
)

__all__ = [
    "ASKED_HERE",
    "Event",
    "Held",
    "Holding",
    "Money",
    "Moved",
    "Payment",
    "Prices",
    "Story",
    "WalletCard",
    "Why",
    "balances_of",
    "card_of",
    "coins_at",
    "entries_page",
    "fills_beyond",
    "fills_page",
    "holdings_of",
    "limits_of",
    "order_get",
    "order_story",
    "order_why",
    "orders_page",
    "payments_beyond",
    "payments_read",
    "positions_at",
    "positions_of",
    "prices_of",
    "situation_of",
    "source_fills",
    "source_fills_after",
    "source_orders",
    "source_orders_named",
    "sources_changed",
    "sources_fills_newest",
    "sources_live",
    "trades_later",
    "trading_state",
    "transfers_page",
    "wallet_get",
    "wallet_whereabouts",
    "wallets_beyond",
    "wallets_of",
    "wallets_with_states",
]
