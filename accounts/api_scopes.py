"""Scopes of API keys: one table of the routes that change something, and the permission that reads it.

Safe methods of every route need `read`. A method that is not in the table is refused to every key, as are the
views for people (`accounts.api.common.HUMAN_ONLY`): account, credentials, keys and limits of wallets.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.authentication import SAFE_METHODS
from accounts.models import ApiKey

if TYPE_CHECKING:
    from rest_framework.views import APIView

READ, TRADE, BOTS = ApiKey.Scope.READ, ApiKey.Scope.TRADE, ApiKey.Scope.BOTS

SCOPES: Mapping[str, Mapping[str, ApiKey.Scope]] = {
    "api/v1/orders": {"POST": TRADE},
    "api/v1/orders/batch": {"POST": TRADE},
    "api/v1/orders/cancel": {"POST": TRADE},
    "api/v1/orders/<uuid:pk>": {"PATCH": TRADE, "DELETE": TRADE},
    "api/v1/wallets/<uuid:pk>/state": {"POST": TRADE},
    "api/v1/wallets/<uuid:pk>/leverage": {"POST": TRADE},
    "api/v1/bots": {"POST": BOTS},
    "api/v1/bots/preview": {"POST": READ},
    "api/v1/bots/<uuid:pk>": {"PATCH": BOTS, "DELETE": BOTS},
    "api/v1/bots/<uuid:pk>/clone": {"POST": BOTS},
    "api/v1/bots/<uuid:pk>/start": {"POST": BOTS},
    "api/v1/bots/<uuid:pk>/stop": {"POST": BOTS},
}


def required_scope(route: str, method: str) -> ApiKey.Scope | None:
    """The scope that opens a method of a route (as in the URL conf); None: no scope does."""
    return READ if method in SAFE_METHODS else SCOPES.get(route.rstrip("/"), {}).get(method)


class ScopePermission(BasePermission):
    """Refuses an API key without the scope of the route; other credentials are not limited by scopes."""

    message = "This API key does not have the required scope."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        match = request._request.resolver_match
        return required_scope(match.route if match else "", str(request.method)) in request.auth.scopes
