"""What pages, the API and bots read of wallets. What is not yours is not found."""

from wallets.selectors.cards import WalletCard, card_of
from wallets.selectors.market import Prices, prices_of
from wallets.selectors.reading import (
    Held,
    Holding,
    balances_of,
    entries_of,
    fills_of,
    holdings_of,
    order_get,
    orders_of,
    positions_of,
    trading_state_of,
    transfers_of,
    wallet_get,
    wallets_of,
)
from wallets.selectors.situation import limits_of
from wallets.selectors.story import Event, Story, order_why

__all__ = [
    "Event",
    "Held",
    "Holding",
    "Prices",
    "Story",
    "WalletCard",
    "balances_of",
    "card_of",
    "entries_of",
    "fills_of",
    "holdings_of",
    "limits_of",
    "order_get",
    "order_why",
    "orders_of",
    "positions_of",
    "prices_of",
    "trading_state_of",
    "transfers_of",
    "wallet_get",
    "wallets_of",
]
