"""URLs of `/orders/` and `/wallets/`: pages, and the fragments of the trading page."""

from django.urls import include, path

from wallets.views import actions, orders, ticket, wallets, wizard

ORDERS = [
    path("", orders.orders, name="list"),
    path("ticket/<slug:venue>/<path:symbol>/", ticket.ticket, name="ticket"),
    path("preview/<slug:venue>/<path:symbol>/", ticket.preview, name="preview"),
    path("share/<slug:venue>/<path:symbol>/", ticket.size_share, name="share"),
    path("place/<slug:venue>/<path:symbol>/", ticket.place, name="place"),
    path("leverage/<slug:venue>/<path:symbol>/", ticket.leverage, name="leverage"),
    path("tables/<slug:venue>/<path:symbol>/", orders.account_tables, name="account_tables"),
    path("cancel/", actions.cancel_all, name="cancel_all"),
    path("<uuid:pk>/", orders.order, name="order"),
    path("<uuid:pk>/notice/", ticket.notice, name="notice"),
    path("<uuid:pk>/row/", actions.row, name="row"),
    path("<uuid:pk>/cancel/", actions.cancel, name="cancel"),
    path("<uuid:pk>/change/", actions.change, name="change"),
]
WALLETS = [
    path("", wallets.wallets, name="list"),
    path("new/", wizard.NewWallet.as_view(), name="new"),
    path("<uuid:pk>/", wallets.wallet, name="wallet"),
    path("<uuid:pk>/card/", wallets.card, name="card"),
    path("<uuid:pk>/check/", wizard.check, name="check"),
    path("<uuid:pk>/account/", wallets.account_data, name="account_data"),
    path("<uuid:pk>/limits/", wallets.LimitsView.as_view(), name="limits"),
    path("<uuid:pk>/rename/", wallets.rename, name="rename"),
    path("<uuid:pk>/state/", wallets.state, name="state"),
    path("<uuid:pk>/key/", wallets.KeyView.as_view(), name="key"),
    path("<uuid:pk>/archive/", wallets.Archive.as_view(), name="archive"),
]
urlpatterns = [
    path("orders/", include((ORDERS, "orders"))),
    path("wallets/", include((WALLETS, "wallets"))),
]
