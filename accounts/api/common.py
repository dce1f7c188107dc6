"""What the endpoints of this package share: errors, permissions, the object of a route."""

from typing import Any, TypeVar

from django.http import Http404
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.base import NO_SUCH
from accounts.authentication import CHALLENGE, SAFE
from accounts.domain.permissions import Act
from accounts.models import ApiKey, AuthSession, User
from accounts.selectors import user_may
from accounts.services import LimitReached

Owned = TypeVar("Owned", ApiKey, AuthSession)


def throttled(error: LimitReached) -> Throttled:
    return Throttled(wait=error.retry_after_s)


class OpenView(APIView):
    """For visitors: no credential is read, yet a refusal is a 401 that says what would be one."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class PeopleOnly(BasePermission):
    """Signed in as a person, with a session that can be ended and proven again; not with an API key."""

    message = "API keys cannot do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return not isinstance(request.auth, ApiKey)


PERSON = (IsAuthenticated, PeopleOnly)


def signed_in_user(request: Request) -> User:
    """The user, where `IsAuthenticated` has let the request in."""
    user: Any = request.user
    if not isinstance(user, User):
        raise TypeError("a view without IsAuthenticated asked for its user")
    return user


def object_or_404(request: Request, found: Owned | None, *, kind: str) -> Owned:
    """`found` when the rules let this user do this to it; what is not yours does not exist."""
    act = Act.READ if request.method in SAFE else Act.CHANGE
    if found is None or not user_may(user=request.user, act=act, kind=kind, owner=found.user_id):
        raise Http404(NO_SUCH)
    return found
