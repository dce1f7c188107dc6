"""The page that asks for a fresh proof before a sensitive act."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.generic import FormView

from accounts.forms import StepUpForm
from accounts.services import LimitReached
from accounts.step_up import GATED, request_session, step_up_pass
from accounts.views.base import AccountPage, owner

WRONG = {
    "code": "This is not the code. Each code works once; wait for the next one.",
    "password": "This is not your password.",
}


class StepUp(AccountPage, FormView):
    template_name = "account/step_up.html"
    form_class = StepUpForm

    def get_form_kwargs(self) -> dict[str, Any]:
        factor = is_mfa_enabled(owner(self.request), [Authenticator.Type.TOTP])
        return {**super().get_form_kwargs(), "second_factor": factor}

    def form_valid(self, form: StepUpForm) -> HttpResponse:
        session = request_session(self.request)
        if session is None:
            raise Http404
        proof = {"totp" if name == "code" else name: value for name, value in form.cleaned_data.items()}
        try:
            if step_up_pass(session=session, request=self.request, **proof):
                return super().form_valid(form)
        except LimitReached as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        (field,) = form.fields
        form.add_error(field, WRONG[field])
        return self.form_invalid(form)

    def get_success_url(self) -> str:
        return self._way_back()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = self.request.POST.get("act") or self.request.GET.get("act", "")
        act = asked if asked in GATED else ""
        return super().get_context_data(**kwargs, act=act, sentence=GATED.get(act, ""), next=self._way_back())

    def _way_back(self) -> str:
        asked = self.request.POST.get("next") or self.request.GET.get("next", "")
        return asked if asked and get_adapter().is_safe_url(asked) else reverse("mfa_index")
