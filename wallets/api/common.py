"""Shared parts of the endpoints: error mapping, client ids, and lookups of wallets and orders."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError

from accounts.authentication import SAFE_METHODS, SignedInRequest
from accounts.domain.permissions import Action
from accounts.selectors import user_is_allowed
from accounts.services import step_up_is_fresh
from accounts.step_up import STEP_UP_ACTIONS, StepUpRequiredError, request_session
from core.api import NOT_FOUND_MESSAGE, Conflict, ErrorMappingView, PaginatedView, idempotency_uuid
from market.selectors import LiveUnavailable
from wallets import selectors
from wallets.domain.errors import (
    NotFound,
    OrderConflict,
    OrderDenied,
    OrderInvalid,
    WalletInvalid,
    WalletRejected,
)
from wallets.models import Order, Wallet

DENIED = {
    422: OpenApiResponse(
        {"$ref": "#/components/schemas/Error"}, "Denied by the risk check; `code` is the denial code."
    )
}
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="A repeated request with the same key returns the same order (or wallet); with another body, 409.",
)

# Fields of the domain that have another name in the API.
API_FIELDS = {"kind": "order_type", "tif": "time_in_force"}


class Denied(APIException):
    """422 with the denial code. The denied order is stored, so that its history can be read."""

    status_code = 422

    def __init__(self, error: OrderDenied) -> None:
        super().__init__(error.message)
        self.domain_code = error.denial.value
        self.details = {"order_id": str(error.order.pk) if error.order else None}


class NotAvailable(APIException):
    """503: a required service does not respond now."""

    status_code = 503


class WalletsAPIView(ErrorMappingView):
    def translated(self, exc: Exception) -> Exception:
        match exc:
            case OrderInvalid() | WalletInvalid():
                return ValidationError({API_FIELDS.get(exc.field, exc.field): [exc.message]})
            case OrderDenied():
                return Denied(exc)
            case OrderConflict() | WalletRejected():
                return Conflict(str(exc))
            case NotFound():
                return Http404(NOT_FOUND_MESSAGE)
            case LiveUnavailable():
                return NotAvailable(str(exc))
        return exc


class PaginatedWalletsView(WalletsAPIView, PaginatedView):
    pass


def client_id_of(request: SignedInRequest, client_id: UUID | None, *, part: str = "") -> UUID:
    """The client id of the request: from the body, else derived from `Idempotency-Key`."""
    return client_id or idempotency_uuid(request, part=part)


def require_step_up(request: SignedInRequest, act: str) -> None:
    """Raises `StepUpRequiredError` unless the session was authenticated within the last ten minutes."""
    STEP_UP_ACTIONS[act]
    if not step_up_is_fresh(request_session(request)):
        raise StepUpRequiredError


def wallet_or_404(request: SignedInRequest, pk: UUID) -> Wallet:
    """The wallet, if the user may access it with this method; otherwise `NotFound`."""
    found = selectors.wallet_get(request.user, pk)
    if found is None or not _is_allowed(request, "wallet", found.user_id):
        raise NotFound(NOT_FOUND_MESSAGE)
    return found


def venue_or_404(request: SignedInRequest, wallet: UUID) -> str:
    """The venue of a wallet that the user may trade; cheaper than `wallet_or_404` for placing orders."""
    found = selectors.wallet_location(wallet)
    if found is None or not _is_allowed(request, "wallet", found[0]):
        raise NotFound(NOT_FOUND_MESSAGE)
    return found[1]


def order_or_404(request: SignedInRequest, pk: UUID) -> Order:
    """The order, as `wallet_or_404`."""
    found = selectors.order_get(request.user, pk)
    if found is None or not _is_allowed(request, "order", found.wallet.user_id):
        raise NotFound(NOT_FOUND_MESSAGE)
    return found


def _is_allowed(request: SignedInRequest, kind: str, owner: UUID) -> bool:
    user: Any = request.user
    act = Action.READ if request.method in SAFE_METHODS else Action.CHANGE
    return user_is_allowed(user=user, act=act, kind=kind, owner=owner)
