"""Wallet pages: list of wallets; account data, trading state, limits, key and archiving of one wallet."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import FormView, TemplateView

from accounts.authentication import SignedInHttpRequest
from accounts.services import step_up_is_fresh
from accounts.step_up import request_session, step_up_redirect, step_up_required
from market.venues import venue_adapter
from wallets import selectors, services
from wallets.domain.status import STRICTNESS, TradingState
from wallets.domain.wallet_validation import LIMITS
from wallets.forms import KeyForm, LabelForm, LimitsForm, StateForm
from wallets.models import Wallet
from wallets.views.base import first_error, own_fills, own_orders, own_wallet, private

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

TABS = {
    "balances": _("Balances"),
    "positions": _("Positions"),
    "orders": _("Orders"),
    "fills": _("Trade history"),
    "ledger": _("Ledger"),
}
PAGE = 50


@private
@require_GET
def wallet(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    wallet_row = own_wallet(request, pk)
    return render(request, "wallets/wallet.html", _context(request, wallet_row))


@private
@require_GET
def account_data(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """The tables only, for reloads by the page."""
    return render(request, "wallets/account_data.html", _context(request, own_wallet(request, pk)))


def _context(request: SignedInHttpRequest, wallet_row: "WalletWithStates") -> dict[str, Any]:
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "balances"
    return {
        "wallet": wallet_row,
        "card": selectors.card_of(wallet_row),
        "now": timezone.now(),
        "here": "wallets",
        "tab": tab,
        "tabs": TABS.items(),
        "states": [state.value for state in STRICTNESS],
        "label_form": LabelForm(initial={"label": wallet_row.label}),
        **_tab_context(request, wallet_row, tab),
    }


def _tab_context(request: SignedInHttpRequest, wallet_row: Wallet, tab: str) -> dict[str, Any]:
    rows: Any
    match tab:
        case "balances":
            return {"rows": selectors.balances_of(wallet_row)}
        case "positions":
            return {"positions": selectors.position_rows(request.user, wallet_id=wallet_row.pk)}
        case "orders":
            rows = own_orders(request, wallet_id=wallet_row.pk)
        case "fills":
            rows = own_fills(request, wallet_id=wallet_row.pk)
        case _:
            rows = selectors.ledger_transactions_page(request.user, wallet_row.pk)
    return {"page": Paginator(rows, PAGE).get_page(request.GET.get("page"))}


@private
@require_POST
def rename(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    wallet_row, form = own_wallet(request, pk), LabelForm(request.POST)
    if form.is_valid():
        services.wallet_rename(
            user=request.user, wallet_id=wallet_row.pk, label=form.cleaned_data["label"], http=request
        )
    else:
        messages.error(request, first_error(form))
    return redirect("wallets:wallet", pk)


@private
@require_POST
def state(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """Set the trading state: a stricter one at once, a looser one only after recent authentication."""
    wallet_row, form = own_wallet(request, pk), StateForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Unknown trading state."))
        return redirect("wallets:wallet", pk)
    new_state = TradingState(form.cleaned_data["state"])
    looser = STRICTNESS.index(new_state) < STRICTNESS.index(TradingState(wallet_row.trading_state))
    if looser and not step_up_is_fresh(request_session(request)):
        return step_up_redirect(request, "wallet.live")
    try:
        services.trading_state_set(
            actor=request.user, scope="wallet", target=wallet_row.pk, state=new_state,
            reason=form.cleaned_data["reason"], http=request,
        )  # fmt: skip
    except services.WalletRejected as refusal:
        messages.error(request, str(refusal))
    return redirect("wallets:wallet", pk)


class WalletFormView(FormView):
    """Base of forms for one wallet of the user; an invalid form responds with 422."""

    request: SignedInHttpRequest
    wallet: Wallet

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.wallet = own_wallet(self.request, kwargs["pk"])
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, wallet=self.wallet, here="wallets")

    def get_success_url(self) -> str:
        return reverse("wallets:wallet", args=(self.wallet.pk,))

    def form_invalid(self, form: BaseForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


@method_decorator(private, name="dispatch")
@method_decorator(step_up_required("wallet.limits"), name="dispatch")
class LimitsView(WalletFormView):
    form_class = LimitsForm
    template_name = "wallets/limits.html"

    def get_initial(self) -> dict[str, Any]:
        return {name: getattr(self.wallet, name) for name in LIMITS}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "asset": venue_adapter(self.wallet.venue_id).collateral}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            default_limits=selectors.limits_of(Wallet()),
            new="new" in self.request.GET,
        )

    def form_valid(self, form: LimitsForm) -> HttpResponse:
        services.wallet_limits_set(
            user=self.request.user, wallet_id=self.wallet.pk, limits=form.cleaned_data, http=self.request
        )
        messages.success(self.request, _("The limits are set."))
        return super().form_valid(form)


@method_decorator(sensitive_post_parameters("key"), name="dispatch")
@method_decorator(private, name="dispatch")
@method_decorator(step_up_required("wallet.replace_key"), name="dispatch")
class KeyView(WalletFormView):
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
    request: SignedInHttpRequest
    template_name = "wallets/archive.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        wallet_row = own_wallet(self.request, kwargs["pk"])
        live = own_orders(self.request, wallet_id=wallet_row.pk, live=True).count()
        return super().get_context_data(**kwargs, wallet=wallet_row, live=live, here="wallets")

    def post(self, request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
        wallet_row = own_wallet(request, pk)
        try:
            services.wallet_archive(user=request.user, wallet_id=wallet_row.pk, http=request)
        except services.WalletRejected as error:
            context = self.get_context_data(pk=pk, refusal=str(error))
            return self.render_to_response(context, status=422)
        messages.success(
            request,
            _("{label} is archived: its key is deleted, its records stay.").format(label=wallet_row.label),
        )
        return redirect("wallets:list")


@private
@require_GET
def wallets(request: SignedInHttpRequest) -> HttpResponse:
    """All cards; `?archived=1` includes archived wallets."""
    all_wallets = list(selectors.wallets_of(request.user))
    archived = [wallet for wallet in all_wallets if wallet.status == "archived"]
    with_archived = request.GET.get("archived") == "1"
    shown = all_wallets if with_archived else [one for one in all_wallets if one not in archived]
    context = {
        "cards": [selectors.card_of(wallet) for wallet in shown],
        "archived": len(archived),
        "with_archived": len(shown) == len(all_wallets),
        "now": timezone.now(),
    }
    return render(request, "wallets/list.html", context)


@private
@require_GET
def card(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """One card, for reloads after a change of its wallet."""
    context = {"card": selectors.card_of(own_wallet(request, pk)), "now": timezone.now()}
    return render(request, "wallets/card.html", context)
