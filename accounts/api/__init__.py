"""REST routes of accounts under /api/v1/: sign-up, tokens, second factor, sessions, API keys."""

from django.urls import path

from accounts.api import api_keys, auth, me

_routes = [
    path("auth/signup", auth.SignUp.as_view(), name="auth-signup"),
    path("auth/verify", auth.Verify.as_view(), name="auth-verify"),
    path("auth/login", auth.Login.as_view(), name="auth-login"),
    path("auth/refresh", auth.Refresh.as_view(), name="auth-refresh"),
    path("auth/logout", auth.Logout.as_view(), name="auth-logout"),
    path("auth/password", me.Password.as_view(), name="auth-password"),
    path("auth/2fa", me.SecondFactor.as_view(), name="auth-2fa"),
    path("auth/step-up", auth.StepUp.as_view(), name="auth-step-up"),
    path("auth/sessions", me.SessionList.as_view(), name="auth-sessions"),
    path("auth/sessions/<uuid:pk>", me.SessionDetail.as_view(), name="auth-session"),
    path("me", me.Me.as_view(), name="me"),
    path("api-keys", api_keys.KeyList.as_view(), name="api-keys"),
    path("api-keys/<uuid:pk>", api_keys.KeyDetail.as_view(), name="api-key"),
]

# Both spellings work; the schema names the one without a slash (cryptotrade/openapi.py).
urlpatterns = [*_routes, *(path(f"{route.pattern}/", route.callback) for route in _routes)]
