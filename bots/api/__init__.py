"""/api/v1/: strategies, and your bots."""

from django.urls import path

from bots.api import attribution, views

_routes = [
    path("strategies", views.StrategyList.as_view(), name="strategies"),
    path("bots", views.BotList.as_view(), name="bots"),
    path("bots/<uuid:pk>", views.BotDetail.as_view(), name="bot"),
    path("bots/<uuid:pk>/start", views.BotStart.as_view(), name="bot-start"),
    path("bots/<uuid:pk>/stop", views.BotStop.as_view(), name="bot-stop"),
    path("bots/<uuid:pk>/events", views.BotEvents.as_view(), name="bot-events"),
    path("bots/<uuid:pk>/orders", views.BotOrders.as_view(), name="bot-orders"),
    path("bots/<uuid:pk>/fills", views.BotFills.as_view(), name="bot-fills"),
    path("wallets/<uuid:pk>/attribution", attribution.WalletAttribution.as_view(), name="wallet-attribution"),
]

# Both spellings work; the schema names the one without a slash (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
