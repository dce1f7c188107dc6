from django.urls import path

from market import views

app_name = "market"
urlpatterns = [
    path("", views.landing, name="landing"),
    path("market/", views.markets, name="markets"),
    path("market/<slug:venue>/<path:symbol>/", views.instrument, name="instrument"),
    path("status/", views.status, name="status"),
]
