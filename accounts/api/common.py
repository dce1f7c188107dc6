"""Shared parts of the accounts endpoints: errors, permissions, object look-up."""

from typing import Any, TypeVar

from django.http import Http404
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import CHALLENGE, SAFE_METHODS
from accounts.domain.permissions import Action
from accounts.models import ApiKey, AuthSession, User
from accounts.selectors import user_is_allowed
from accounts.services import LimitReached
from accounts.step_up import step_up_check
from core.api import NOT_FOUND_MESSAGE

OwnedObject = TypeVar("OwnedObject", ApiKey, AuthSession)


def throttled(error: LimitReached) -> Throttled:
    """The 429 of DRF for a reached rate limit."""
    return Throttled(wait=error.retry_after_s)


class OpenView(APIView):
    """View for anonymous callers: reads no credential; a 401 still names the authentication scheme."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class HumanOnly(BasePermission):
    """Permission for requests with a session, which supports revocation and step-up; API keys are refused."""

    message = "API keys cannot do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return not isinstance(request.auth, ApiKey)


HUMAN_ONLY = (IsAuthenticated, HumanOnly)


def signed_in_user(request: Request) -> User:
    """The user of a request that passed `IsAuthenticated`. Raises `TypeError` for an anonymous request."""
    user: Any = request.user
    if not isinstance(user, User):
        raise TypeError("signed_in_user was called in a view without IsAuthenticated")
    return user


def object_or_404(request: Request, found: OwnedObject | None, *, kind: str) -> OwnedObject:
    """`found` if this user may read or change it; objects of other users are a 404 as well.

    Raises `StepUpRequiredError` when staff change an object of another user without recent authentication.
    """
    act = Action.READ if request.method in SAFE_METHODS else Action.CHANGE
    if found is None or not user_is_allowed(user=request.user, act=act, kind=kind, owner=found.user_id):
        raise Http404(NOT_FOUND_MESSAGE)
    if act is Action.CHANGE and found.user_id != request.user.pk:
        step_up_check(request, "admin.session")
    return found
