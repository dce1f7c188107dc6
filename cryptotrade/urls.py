"""HTTP routes of the four apps and of monitoring. Websocket routes are in `asgi.py`."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from cryptotrade import health, metrics

urlpatterns = [
    path("", include("market.urls")),
    path("", include("accounts.urls")),
    path("", include("wallets.urls")),
    path("", include("bots.urls")),
    path("api/v1/", include("market.api")),
    path("api/v1/", include("accounts.api")),
    path("api/v1/", include("wallets.api")),
    path("api/v1/", include("bots.api")),
    path("api/schema/", SpectacularAPIView.as_view(permission_classes=[]), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(permission_classes=[]), name="docs"),
    path("admin/", admin.site.urls),
    path("health", health.health, name="health"),
    path("ready", health.ready, name="ready"),
    path("metrics", metrics.metrics, name="metrics"),
]
handler400 = "cryptotrade.errors.bad_request"
handler403 = "cryptotrade.errors.permission_denied"
handler404 = "cryptotrade.errors.not_found"
handler500 = "cryptotrade.errors.server_error"
handler429 = "cryptotrade.errors.too_many_requests"  # used by allauth
