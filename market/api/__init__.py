"""URL routes of public market data under /api/v1/. Live values come from Redis, history from PostgreSQL."""

from django.urls import path

from market.api import views

_routes = [
    path("venues", views.VenueList.as_view(), name="venues"),
    path("instruments", views.InstrumentList.as_view(), name="instruments"),
    path("ticks", views.TickList.as_view(), name="ticks"),
    path("candles", views.CandleList.as_view(), name="candles"),
    path("book", views.BookDetail.as_view(), name="book"),
    path("trades", views.TradeList.as_view(), name="trades"),
]

# Each route works with and without a trailing slash; the OpenAPI schema lists the form without one
# (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
