"""Shared parts of the views: access, lookups of own objects, and responses for htmx."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.forms import BaseForm
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django_htmx.http import trigger_client_event

from accounts.authentication import SignedInHttpRequest
from market.selectors import MarketRow, instrument_get, market_row
from wallets import selectors
from wallets.domain.errors import NotFound, OrderError
from wallets.models import Fill, Order

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

View = Callable[..., HttpResponseBase]
NOT_FOUND = _("Not found, or no permission.")


def private(view: View) -> View:
    """Decorator of private views: login required, never cached, `NotFound` becomes 404."""

    @wraps(view)
    def wrapper(request: SignedInHttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(NOT_FOUND) from error

    return never_cache(login_required(wrapper))


def instrument_or_404(venue: str, symbol: str) -> MarketRow:
    """The instrument with the status of its venue and its newest tick."""
    found = instrument_get(venue, symbol)
    if found is None:
        raise Http404(_("Unknown instrument {symbol} at {venue}.").format(symbol=symbol, venue=venue))
    return market_row(found)


def own_wallet(request: SignedInHttpRequest, pk: UUID) -> "WalletWithStates":
    """The user's own wallet; support staff read wallets of others in the admin site."""
    wallet = selectors.wallet_get(request.user, pk)
    if wallet is None or wallet.user_id != request.user.pk:
        raise Http404(NOT_FOUND)
    return wallet


def own_orders(request: SignedInHttpRequest, **filters: Any) -> QuerySet[Order]:
    """The user's own orders only, also for staff who may read those of others."""
    rows = selectors.orders_page(request.user, **filters).filter(wallet__user=request.user.pk)
    return rows.select_related("instrument", "wallet__venue")


def own_order(request: SignedInHttpRequest, pk: UUID) -> Order:
    order = own_orders(request).filter(pk=pk).first()
    if order is None:
        raise Http404(NOT_FOUND)
    return order


def own_fills(request: SignedInHttpRequest, **filters: Any) -> QuerySet[Fill]:
    return selectors.fills_page(request.user, **filters).filter(wallet__user=request.user.pk)


def changed(request: SignedInHttpRequest, *topics: str, to: str = "orders:list") -> HttpResponse:
    """Response after a change: makes the fragments that show `topics` (`order`, `balance`…) reload."""
    if not request.htmx:
        return redirect(to)
    response = HttpResponse(status=204)
    for topic in topics:
        trigger_client_event(response, f"me:{topic}")
    return response


def refused(request: SignedInHttpRequest, error: OrderError, *, to: str = "orders:list") -> HttpResponse:
    """Response after a refused change: a toast shows the reason."""
    if not request.htmx:
        messages.error(request, error.message)
        return redirect(to)
    response = HttpResponse(error.message, status=409, content_type="text/plain")
    return trigger_client_event(response, "toast:show", {"kind": "denied", "title": error.message})


def first_error(form: BaseForm) -> str:
    """The first error message of a form."""
    return str(next(iter(form.errors.values()))[0])


def uuid_of(text: object) -> UUID:
    """An id from a query or a form. Raises `NotFound` when it is not a UUID."""
    try:
        return UUID(str(text))
    except ValueError as error:
        raise NotFound(str(NOT_FOUND)) from error
