"""Wallet wizard: choice of exchange and key source, account and key, key check."""

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET
from django.views.generic import FormView

from accounts.authentication import SignedInHttpRequest
from accounts.services import step_up_is_fresh
from accounts.step_up import request_session, step_up_redirect
from market.selectors import venue_states
from wallets import services
from wallets.forms import KEY_SOURCES, NewWalletForm
from wallets.models import Wallet
from wallets.views.base import own_wallet, private

WAITING = (Wallet.Status.KEY_PENDING, Wallet.Status.APPROVAL_PENDING, Wallet.Status.CHECKING)


@method_decorator(sensitive_post_parameters("key"), name="dispatch")
@method_decorator(private, name="dispatch")
class NewWallet(FormView):
    """Without `?venue=&key_source=` the choice; with both the form. Adding a key requires recent authentication."""

    request: SignedInHttpRequest
    form_class = NewWalletForm
    template_name = "wallets/new.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        params = request.POST if request.method == "POST" else request.GET
        self.key_source = (
            params.get("key_source", "") if params.get("key_source") in dict(KEY_SOURCES) else ""
        )
        self.venues = venue_states()
        self.venue = next((one for one in self.venues if one.name == params.get("venue")), None)
        if self.venue and self.key_source == "simulated" and not self.venue.simulated:
            self.key_source = ""
        if (
            self.venue
            and self.key_source in ("make", "paste")
            and not step_up_is_fresh(request_session(request))
        ):
            return step_up_redirect(self.request, "wallet.add")
        return super().dispatch(request, *args, **kwargs)

    def get_template_names(self) -> list[str]:
        return [self.template_name if self.venue and self.key_source else "wallets/choose.html"]

    def get_initial(self) -> dict[str, Any]:
        title = self.venue.title if self.venue else ""
        return {"client_id": uuid4(), "label": f"{title} play" if self.key_source == "simulated" else title}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own = {"venues": self.venues, "venue": self.venue, "key_source": self.key_source, "here": "wallets"}
        return super().get_context_data(**kwargs, **own)

    def form_valid(self, form: NewWalletForm) -> HttpResponse:
        data = form.cleaned_data
        common = {
            "user": self.request.user, "client_id": data["client_id"], "label": data["label"],
            "venue": data["venue"], "http": self.request,
        }  # fmt: skip
        try:
            if data["key_source"] == "simulated":
                wallet = services.simulated_account_open(**common)
            else:
                key = data["key"].encode() if data["key_source"] == "paste" else None
                wallet = services.wallet_create(**common, address=data["address"], key=key)
        except services.WalletInvalid as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
            return self.form_invalid(form)
        except services.WalletRejected as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        return HttpResponseRedirect(f"/wallets/{wallet.pk}/check/")

    def form_invalid(self, form: NewWalletForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


@private
@require_GET
def check(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """Progress of the key check; the page reloads until it is finished."""
    wallet = own_wallet(request, pk)
    if wallet.status == Wallet.Status.ARCHIVED:
        return redirect("wallets:wallet", wallet.pk)
    context = {"wallet": wallet, "waiting": wallet.status in WAITING, "here": "wallets"}
    return render(request, "wallets/check.html", context)
