"""Routes under /api/v1/ for strategies and the user's bots."""

from django.urls import path

from bots.api import attribution, history, views

_routes = [
    path("strategies", views.StrategyList.as_view(), name="strategies"),
    path("bots", views.BotList.as_view(), name="bots"),
    path("bots/preview", views.BotPreview.as_view(), name="bot-preview"),
    path("bots/<uuid:pk>", views.BotDetail.as_view(), name="bot"),
    path("bots/<uuid:pk>/start", views.BotStart.as_view(), name="bot-start"),
    path("bots/<uuid:pk>/stop", views.BotStop.as_view(), name="bot-stop"),
    path("bots/<uuid:pk>/events", history.BotEvents.as_view(), name="bot-events"),
    path("bots/<uuid:pk>/orders", history.BotOrders.as_view(), name="bot-orders"),
    path("bots/<uuid:pk>/fills", history.BotFills.as_view(), name="bot-fills"),
    path("bots/<uuid:pk>/inputs", history.BotInputs.as_view(), name="bot-inputs"),
    path("bots/<uuid:pk>/equity", history.BotEquity.as_view(), name="bot-equity"),
    path("bots/<uuid:pk>/export/<str:what>", history.BotExport.as_view(), name="bot-export"),
    path("bots/<uuid:pk>/clone", views.BotClone.as_view(), name="bot-clone"),
    path("wallets/<uuid:pk>/attribution", attribution.WalletAttribution.as_view(), name="wallet-attribution"),
]

# Paths with and without a trailing slash work; the schema lists the one without (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
