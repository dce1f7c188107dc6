"""What these pages share: the user, the instrument, a refusal said aloud, an answer for htmx."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache

from market.selectors import BoardRow, board_row, instrument_get
from wallets import selectors
from wallets.domain.errors import NotFound, OrderError
from wallets.models import Fill, Order, Wallet

View = Callable[..., HttpResponseBase]
NO_SUCH = "There is no such thing, or it is not yours."


def private(view: View) -> View:
    """For whoever has signed in, kept by no cache; what is not yours does not exist."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(NO_SUCH) from error

    return never_cache(login_required(guarded))


def is_htmx(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers


def instrument_or_404(venue: str, symbol: str) -> BoardRow:
    """The instrument with its venue's state and newest tick."""
    found = instrument_get(venue, symbol)
    if found is None:
        raise Http404(f"There is no instrument {symbol} at {venue}.")
    return board_row(found)


def own_wallet(request: HttpRequest, pk: UUID) -> Wallet:
    """The reader's own wallet; support reads those of others in the administration."""
    wallet = selectors.wallet_get(request.user, pk)
    if wallet is None or wallet.user_id != request.user.pk:
        raise Http404(NO_SUCH)
    return wallet


def own_orders(request: HttpRequest, **asked: Any) -> QuerySet[Order]:
    """The reader's own orders, also where the reader might see those of others."""
    rows = selectors.orders_page(request.user, **asked).filter(wallet__user=request.user.pk)
    return rows.select_related("instrument", "wallet__venue")


def own_order(request: HttpRequest, pk: UUID) -> Order:
    order = own_orders(request).filter(pk=pk).first()
    if order is None:
        raise Http404(NO_SUCH)
    return order


def own_fills(request: HttpRequest, **asked: Any) -> QuerySet[Fill]:
    return selectors.fills_page(request.user, **asked).filter(wallet__user=request.user.pk)


def changed(request: HttpRequest, *topics: str, to: str = "orders:list") -> HttpResponse:
    """Done. The fragments that show `topics` (`order`, `balance`…) are told to read themselves again."""
    if not is_htmx(request):
        return redirect(to)
    return HttpResponse(
        status=204, headers={"HX-Trigger": json.dumps({f"me:{topic}": {} for topic in topics})}
    )


def refused(request: HttpRequest, error: OrderError, *, to: str = "orders:list") -> HttpResponse:
    """Nothing was changed; a toast says why."""
    if not is_htmx(request):
        messages.error(request, error.sentence)
        return redirect(to)
    said = {"house:said": {"kind": "denied", "title": error.sentence}}
    return HttpResponse(
        error.sentence, status=409, content_type="text/plain", headers={"HX-Trigger": json.dumps(said)}
    )


def first_error(form: BaseForm) -> str:
    """The first thing that is wrong, in words."""
    return str(next(iter(form.errors.values()))[0])


def uuid_of(text: Any) -> UUID:
    """Of a query or a form. Raises `NotFound`: no such thing has no such id."""
    try:
        return UUID(str(text))
    except ValueError as error:
        raise NotFound(NO_SUCH) from error
