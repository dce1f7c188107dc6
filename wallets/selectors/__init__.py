"""What pages, the API and `execution` read."""

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

__all__ = [
    "Held",
    "Money",
    "Prices",
    "Why",
    "balances_of",
    "entries_page",
    "fills_page",
    "limits_of",
    "order_get",
    "order_why",
    "orders_page",
    "positions_of",
    "prices_of",
    "situation_of",
    "trading_state",
    "transfers_page",
    "wallet_get",
    "wallets_of",
    "wallets_with_states",
]
