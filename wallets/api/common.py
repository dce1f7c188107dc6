"""What the endpoints of this package share: refusals, the id of a request, wallets and orders of a route."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from accounts.api.base import NO_SUCH, Conflict, PagesView, RefusingView, repeat_id
from accounts.authentication import SAFE
from accounts.domain.permissions import Act
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

DENIED = {
    422: OpenApiResponse({"$ref": "#/components/schemas/Error"}, "Denied by us; `code` is the denial's.")
}
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="Makes a repetition the same order (or wallet). The same key with another body is a 409.",
)


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


class HouseView(RefusingView):
    def translated(self, exc: Exception) -> Exception:
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


class Pages(HouseView, PagesView):
    pass


def client_id_of(request: Request, said: UUID | None, *, part: str = "") -> UUID:
    """The id under which this request is the same again: the body's, else made of `Idempotency-Key`."""
    return said or repeat_id(request, part=part)


def proof_want(request: Request, act: str) -> None:
    """Raises `StepUpNeeded` unless the session behind the request was proven within ten minutes."""
    GATED[act]
    if not step_up_is_fresh(request_session(request)):
        raise StepUpNeeded


def wallet_or_404(request: Request, pk: UUID) -> Wallet:
    """The wallet, when the rules let this user do this to it: what is not yours does not exist."""
    found = selectors.wallet_get(request.user, pk)
    if found is None or not _may(request, "wallet", found.user_id):
        raise NotFound(NO_SUCH)
    return found


def venue_or_404(request: Request, wallet: UUID) -> str:
    """The venue of a wallet that this user may trade: all that has to be known before an order is read."""
    found = selectors.wallet_whereabouts(wallet)
    if found is None or not _may(request, "wallet", found[0]):
        raise NotFound(NO_SUCH)
    return found[1]


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
