"""URLs of `/orders/` and `/wallets/`: pages, and the fragments of the trading page."""

from django.urls import include, path

from wallets.views import account_tables, actions, orders, ticket, wallet_detail, wallet_list, wizard

ORDERS = [
    path("", orders.orders, name="list"),
    path("ticket/<slug:venue>/<path:symbol>/", ticket.ticket, name="ticket"),
    path("preview/<slug:venue>/<path:symbol>/", ticket.preview, name="preview"),
    path("share/<slug:venue>/<path:symbol>/", ticket.size_share, name="share"),
    path("place/<slug:venue>/<path:symbol>/", ticket.place, name="place"),
    path("leverage/<slug:venue>/<path:symbol>/", ticket.leverage, name="leverage"),
    path("tables/<slug:venue>/<path:symbol>/", account_tables.account_tables, name="account_tables"),
    path("cancel/", actions.cancel_all, name="cancel_all"),
    path("<uuid:pk>/", orders.order, name="order"),
    path("<uuid:pk>/row/", actions.row, name="row"),
    path("<uuid:pk>/cancel/", actions.cancel, name="cancel"),
    path("<uuid:pk>/change/", actions.change, name="change"),
]
WALLETS = [
    path("", wallet_list.wallets, name="list"),
    path("new/", wizard.NewWallet.as_view(), name="new"),
    path("<uuid:pk>/", wallet_detail.wallet, name="wallet"),
    path("<uuid:pk>/card/", wallet_list.card, name="card"),
    path("<uuid:pk>/check/", wizard.check, name="check"),
    path("<uuid:pk>/account/", wallet_detail.account_data, name="account_data"),
    path("<uuid:pk>/limits/", wallet_detail.LimitsView.as_view(), name="limits"),
    path("<uuid:pk>/rename/", wallet_detail.rename, name="rename"),
    path("<uuid:pk>/state/", wallet_detail.state, name="state"),
    path("<uuid:pk>/key/", wallet_detail.KeyView.as_view(), name="key"),
    path("<uuid:pk>/archive/", wallet_detail.Archive.as_view(), name="archive"),
]
urlpatterns = [
    path("orders/", include((ORDERS, "orders"))),
    path("wallets/", include((WALLETS, "wallets"))),
]
