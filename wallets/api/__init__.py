"""URLs of /api/v1/ for wallets, orders, fills and the ledger."""

from django.urls import path

from wallets.api import account_data, orders, wallets

_routes = [
    path("wallets", wallets.WalletList.as_view(), name="wallets"),
    path("wallets/<uuid:pk>", wallets.WalletDetail.as_view(), name="wallet"),
    path("wallets/<uuid:pk>/state", wallets.WalletState.as_view(), name="wallet-state"),
    path("wallets/<uuid:pk>/key", wallets.WalletKey.as_view(), name="wallet-key"),
    path("wallets/<uuid:pk>/leverage", wallets.WalletLeverage.as_view(), name="wallet-leverage"),
    path("wallets/<uuid:pk>/balances", account_data.BalanceList.as_view(), name="wallet-balances"),
    path("wallets/<uuid:pk>/positions", account_data.PositionList.as_view(), name="wallet-positions"),
    path("wallets/<uuid:pk>/orders", account_data.WalletOrders.as_view(), name="wallet-orders"),
    path("wallets/<uuid:pk>/fills", account_data.WalletFills.as_view(), name="wallet-fills"),
    path(
        "wallets/<uuid:pk>/ledger-entries",
        account_data.LedgerEntryList.as_view(),
        name="wallet-ledger-entries",
    ),
    path(
        "wallets/<uuid:pk>/ledger-transactions",
        account_data.LedgerTransactionList.as_view(),
        name="wallet-ledger-transactions",
    ),
    path("orders", orders.OrderList.as_view(), name="orders"),
    path("orders/batch", orders.OrderBatch.as_view(), name="orders-batch"),
    path("orders/cancel", orders.OrdersCancel.as_view(), name="orders-cancel"),
    path("orders/<uuid:pk>", orders.OrderDetail.as_view(), name="order"),
    path("fills", account_data.FillList.as_view(), name="fills"),
]

# Both spellings work; the schema names the one without a slash (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
