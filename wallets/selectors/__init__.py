"""Read-only queries for pages, the API and the workers."""

from wallets.selectors.bot_orders import (
    source_fills,
    source_fills_after,
    source_newest_fills,
    source_orders,
    source_orders_by_client_id,
    sources_changed,
    sources_live,
)
from wallets.selectors.cards import WalletCard, card_of
from wallets.selectors.ledger_cursor import (
    LOCAL_ORIGINS,
    FundingPayment,
    PositionChange,
    coins_at,
    fills_after,
    funding_after,
    payments_read,
    positions_at,
    trades_after,
    wallets_with_news,
)
from wallets.selectors.order_history import OrderHistory, OrderHistoryEvent, order_history
from wallets.selectors.orders import OrderTrace, fills_page, order_get, order_trace, orders_page
from wallets.selectors.positions import PositionRow, position_rows
from wallets.selectors.prices import Prices, prices_of
from wallets.selectors.risk_context import limits_of, risk_context_of, trading_state, wallets_with_states
from wallets.selectors.wallets import (
    BalanceRow,
    OpenPosition,
    balances_of,
    ledger_entries_page,
    ledger_transactions_page,
    positions_of,
    wallet_get,
    wallet_location,
    wallets_of,
)

__all__ = [
    "LOCAL_ORIGINS",
    "BalanceRow",
    "FundingPayment",
    "OpenPosition",
    "OrderHistory",
    "OrderHistoryEvent",
    "OrderTrace",
    "PositionChange",
    "PositionRow",
    "Prices",
    "WalletCard",
    "balances_of",
    "card_of",
    "coins_at",
    "fills_after",
    "fills_page",
    "funding_after",
    "ledger_entries_page",
    "ledger_transactions_page",
    "limits_of",
    "order_get",
    "order_history",
    "order_trace",
    "orders_page",
    "payments_read",
    "position_rows",
    "positions_at",
    "positions_of",
    "prices_of",
    "risk_context_of",
    "source_fills",
    "source_fills_after",
    "source_newest_fills",
    "source_orders",
    "source_orders_by_client_id",
    "sources_changed",
    "sources_live",
    "trades_after",
    "trading_state",
    "wallet_get",
    "wallet_location",
    "wallets_of",
    "wallets_with_news",
    "wallets_with_states",
]
