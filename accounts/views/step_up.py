"""Step-up page: asks for the password or a code before a sensitive action."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView

from accounts.forms import StepUpForm
from accounts.services import LimitReached
from accounts.step_up import STEP_UP_ACTIONS, request_session, step_up_pass
from accounts.views.base import AccountPage, account_holder

WRONG = {
    "code": _("Incorrect code. Each code works once; wait for the next one."),
    "password": _("Incorrect password."),
}


class StepUp(AccountPage, FormView):
    template_name = "account/step_up.html"
    form_class = StepUpForm

    def get_form_kwargs(self) -> dict[str, Any]:
        factor = is_mfa_enabled(account_holder(self.request), [Authenticator.Type.TOTP])
        return {**super().get_form_kwargs(), "second_factor": factor}

    def form_valid(self, form: StepUpForm) -> HttpResponse:
        session = request_session(self.request)
        if session is None:
            raise Http404
        credentials = {"totp" if name == "code" else name: value for name, value in form.cleaned_data.items()}
        try:
            if step_up_pass(session=session, request=self.request, **credentials):
                return super().form_valid(form)
        except LimitReached as error:
            form.add_error(None, str(error))
            return self.form_invalid(form)
        (field,) = form.fields
        form.add_error(field, WRONG[field])
        return self.form_invalid(form)

    def get_success_url(self) -> str:
        return self._return_url()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        requested = self.request.POST.get("act") or self.request.GET.get("act", "")
        act = requested if requested in STEP_UP_ACTIONS else ""
        return super().get_context_data(
            **kwargs, act=act, sentence=STEP_UP_ACTIONS.get(act, ""), next=self._return_url()
        )

    def _return_url(self) -> str:
        requested = self.request.POST.get("next") or self.request.GET.get("next", "")
        return requested if requested and get_adapter().is_safe_url(requested) else reverse("mfa_index")
