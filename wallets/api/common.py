"""What the endpoints of this package share: refusals, the id of a request, wallets and orders of a route."""

from typing import Any
from uuid import UUID, uuid4, uuid5

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.authentication import SAFE
from accounts.domain.rules import Act
from accounts.selectors import user_may
from accounts.services import step_up_is_fresh
from accounts.step_up import GATED, StepUpNeeded, request_session
from market.selectors import LiveUnavailable
from wallets import selectors
from wallets.domain.errors import (
    NotFound,
    OrderConflict,
    OrderDenied,
    OrderInvalid,
    WalletInvalid,
    WalletRefused,
)
from wallets.models import Order, Wallet

_ERROR = {"$ref": "#/components/schemas/Error"}
BAD = {
    400: OpenApiResponse(_ERROR, "VALIDATION_ERROR: a field or parameter is not right; details say which.")
}
DENIED = {422: OpenApiResponse(_ERROR, "Denied by us; `code` is the denial's.")}
MISSING = {404: OpenApiResponse(_ERROR, "NOT_FOUND: there is no such thing, or it is not yours.")}
CONFLICT = {409: OpenApiResponse(_ERROR, "CONFLICT: that cannot be done as things are.")}
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="Makes a repetition the same order (or wallet). The same key with another body is a 409.",
)
KEY_LENGTH = 255
NO_SUCH = "There is no such thing, or it is not yours."


class Conflict(APIException):
    status_code = 409
    default_detail = "That cannot be done as things are."
    default_code = "CONFLICT"


class Denied(APIException):
    """422 under the denial's own code. The order is kept, so that somebody can ask why."""

    status_code = 422

    def __init__(self, error: OrderDenied) -> None:
        super().__init__(error.sentence)
        self.domain_code = error.denial.value
        self.details = {"order_id": str(error.order.pk) if error.order else None}


class NotAvailable(APIException):
    """A part of the house that is needed does not answer now."""

    status_code = 503


class HouseView(APIView):
    """Turns what the services refuse into what a caller reads: one mapping for all endpoints."""

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(_translated(exc))


def _translated(exc: Exception) -> Exception:
    match exc:
        case OrderInvalid() | WalletInvalid():
            return ValidationError({exc.field: [exc.sentence]})
        case OrderDenied():
            return Denied(exc)
        case OrderConflict() | WalletRefused():
            return Conflict(str(exc))
        case NotFound():
            return Http404(NO_SUCH)
        case LiveUnavailable():
            return NotAvailable(str(exc))
    return exc


def body_of(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """What was sent, validated. Raises `ValidationError`."""
    sent = serializer(data=data)
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def client_id_of(request: Request, said: UUID | None, *, part: str = "") -> UUID:
    """The id under which this request is the same again: the body's, else made of `Idempotency-Key`."""
    if said is not None:
        return said
    mark = request.headers.get("Idempotency-Key", "")
    if not mark:
        return uuid4()
    if len(mark) > KEY_LENGTH:
        raise ValidationError({"Idempotency-Key": [f"At most {KEY_LENGTH} characters."]})
    user: Any = request.user
    return uuid5(user.pk, f"{mark}{part}")


def proof_want(request: Request, act: str) -> None:
    """Raises `StepUpNeeded` unless the session behind the request was proven within ten minutes."""
    GATED[act]
    if not step_up_is_fresh(request_session(request)):
        raise StepUpNeeded


class Newest(CursorPagination):
    """Newest first, by a key that only grows."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-created_at"


def wallet_or_404(request: Request, pk: UUID) -> Wallet:
    """The wallet, when the rules let this user do this to it: what is not yours does not exist."""
    found = selectors.wallet_get(request.user, pk)
    if found is None or not _may(request, "wallet", found.user_id):
        raise NotFound(NO_SUCH)
    return found


def order_or_404(request: Request, pk: UUID) -> Order:
    """As `wallet_or_404`."""
    found = selectors.order_get(request.user, pk)
    if found is None or not _may(request, "order", found.wallet.user_id):
        raise NotFound(NO_SUCH)
    return found


def _may(request: Request, kind: str, owner: UUID) -> bool:
    user: Any = request.user
    act = Act.READ if request.method in SAFE else Act.CHANGE
    return user_may(user=user, act=act, kind=kind, owner=owner)
