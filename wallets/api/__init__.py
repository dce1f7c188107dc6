"""/api/v1/: your wallets, orders, fills and books."""

from django.urls import path

from wallets.api import books, orders, wallets

_routes = [
    path("wallets", wallets.WalletList.as_view(), name="wallets"),
    path("wallets/<uuid:pk>", wallets.WalletDetail.as_view(), name="wallet"),
    path("wallets/<uuid:pk>/state", wallets.WalletState.as_view(), name="wallet-state"),
    path("wallets/<uuid:pk>/key", wallets.WalletKey.as_view(), name="wallet-key"),
    path("wallets/<uuid:pk>/leverage", wallets.WalletLeverage.as_view(), name="wallet-leverage"),
    path("wallets/<uuid:pk>/balances", books.BalanceList.as_view(), name="wallet-balances"),
    path("wallets/<uuid:pk>/positions", books.PositionList.as_view(), name="wallet-positions"),
    path("wallets/<uuid:pk>/orders", books.WalletOrders.as_view(), name="wallet-orders"),
    path("wallets/<uuid:pk>/fills", books.WalletFills.as_view(), name="wallet-fills"),
    path("wallets/<uuid:pk>/entries", books.EntryList.as_view(), name="wallet-entries"),
    path("wallets/<uuid:pk>/transfers", books.TransferList.as_view(), name="wallet-transfers"),
    path("orders", orders.OrderList.as_view(), name="orders"),
    path("orders/batch", orders.OrderBatch.as_view(), name="orders-batch"),
    path("orders/cancel", orders.OrdersCancel.as_view(), name="orders-cancel"),
    path("orders/<uuid:pk>", orders.OrderDetail.as_view(), name="order"),
    path("fills", books.FillList.as_view(), name="fills"),
]

# Both spellings work; the schema names the one without a slash (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
