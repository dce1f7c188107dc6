"""One wallet: what it holds, what it may do, and its end."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import FormView, TemplateView

from accounts.services import step_up_is_fresh
from accounts.step_up import request_session, step_up_redirect, step_up_required
from wallets import selectors, services
from wallets.domain.status import STRICTNESS, TradingState
from wallets.domain.wallet_validation import LIMITS
from wallets.forms import KeyForm, LabelForm, LimitsForm, StateForm
from wallets.models import Wallet
from wallets.views.base import first_error, own_fills, own_orders, own_wallet, private

BOOKS = {
    "balances": "Balances",
    "positions": "Positions",
    "orders": "Orders",
    "fills": "Fills",
    "ledger": "Ledger",
}
PAGE = 50


@private
@require_GET
def wallet(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = own_wallet(request, pk)
    return render(request, "wallets/wallet.html", _context(request, found))


@private
@require_GET
def books(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The tables alone, for the page to read again."""
    return render(request, "wallets/account_data.html", _context(request, own_wallet(request, pk)))


def _context(request: HttpRequest, found: Wallet) -> dict[str, Any]:
    tab = request.GET.get("tab", "")
    tab = tab if tab in BOOKS else "balances"
    return {
        "wallet": found,
        "card": selectors.card_of(found),
        "now": timezone.now(),
        "here": "wallets",
        "tab": tab,
        "tabs": BOOKS.items(),
        "states": [state.value for state in STRICTNESS],
        "label_form": LabelForm(initial={"label": found.label}),
        **_book(request, found, tab),
    }


def _book(request: HttpRequest, found: Wallet, tab: str) -> dict[str, Any]:
    rows: Any
    match tab:
        case "balances":
            return {"rows": selectors.balances_of(found)}
        case "positions":
            return {"positions": selectors.holdings_of(request.user, wallet_id=found.pk)}
        case "orders":
            rows = own_orders(request, wallet_id=found.pk)
        case "fills":
            rows = own_fills(request, wallet_id=found.pk)
        case _:
            rows = selectors.transfers_page(request.user, found.pk)
    return {"page": Paginator(rows, PAGE).get_page(request.GET.get("page"))}


@private
@require_POST
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    found, form = own_wallet(request, pk), LabelForm(request.POST)
    if form.is_valid():
        services.wallet_rename(
            user=request.user, wallet_id=found.pk, label=form.cleaned_data["label"], http=request
        )
    else:
        messages.error(request, first_error(form))
    return redirect("wallets:wallet", pk)


@private
@require_POST
def state(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stricter at once; looser only after a fresh proof."""
    found, form = own_wallet(request, pk), StateForm(request.POST)
    if not form.is_valid():
        messages.error(request, "There is no such state.")
        return redirect("wallets:wallet", pk)
    wanted = TradingState(form.cleaned_data["state"])
    looser = STRICTNESS.index(wanted) < STRICTNESS.index(TradingState(found.trading_state))
    if looser and not step_up_is_fresh(request_session(request)):
        return step_up_redirect(request, "wallet.live")
    try:
        services.trading_state_set(
            actor=request.user, scope="wallet", target=found.pk, state=wanted,
            reason=form.cleaned_data["reason"], http=request,
        )  # fmt: skip
    except services.WalletRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("wallets:wallet", pk)


class WalletForm(FormView):
    """A form about one wallet of the reader; refused again under 422."""

    wallet: Wallet

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.wallet = own_wallet(request, kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, wallet=self.wallet, here="wallets")

    def get_success_url(self) -> str:
        return reverse("wallets:wallet", args=(self.wallet.pk,))

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


@method_decorator(private, name="dispatch")
@method_decorator(step_up_required("wallet.limits"), name="dispatch")
class LimitsView(WalletForm):
    form_class = LimitsForm
    template_name = "wallets/limits.html"

    def get_initial(self) -> dict[str, Any]:
        return {name: getattr(self.wallet, name) for name in LIMITS}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs, house=selectors.limits_of(Wallet()), new="new" in self.request.GET
        )

    def form_valid(self, form: LimitsForm) -> HttpResponse:
        services.wallet_limits_set(
            user=self.request.user, wallet_id=self.wallet.pk, limits=form.cleaned_data, http=self.request
        )
        messages.success(self.request, "The limits are set.")
        return super().form_valid(form)


@method_decorator(sensitive_post_parameters("key"), name="dispatch")
@method_decorator(private, name="dispatch")
@method_decorator(step_up_required("wallet.replace_key"), name="dispatch")
class KeyView(WalletForm):
    form_class = KeyForm
    template_name = "wallets/key.html"

    def form_valid(self, form: KeyForm) -> HttpResponse:
        try:
            services.wallet_key_replace(
                user=self.request.user, wallet_id=self.wallet.pk, key=form.cleaned_data["key"].encode(),
                http=self.request,
            )  # fmt: skip
        except services.WalletInvalid as error:
            form.add_error(error.field if error.field in form.fields else None, error.sentence)
            return self.form_invalid(form)
        return redirect("wallets:check", self.wallet.pk)


@method_decorator(private, name="dispatch")
@method_decorator(step_up_required("wallet.archive"), name="dispatch")
class Archive(TemplateView):
    template_name = "wallets/archive.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = own_wallet(self.request, kwargs["pk"])
        live = own_orders(self.request, wallet_id=found.pk, live=True).count()
        return super().get_context_data(**kwargs, wallet=found, live=live, here="wallets")

    def post(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        found = own_wallet(request, pk)
        try:
            services.wallet_archive(user=request.user, wallet_id=found.pk, http=request)
        except services.WalletRefused as error:
            context = self.get_context_data(pk=pk, refusal=str(error))
            return self.render_to_response(context, status=422)
        messages.success(request, f"{found.label} is archived; its key is deleted, its books stay.")
        return redirect("wallets:list")
