"""Security pages: password, second factors, passkeys. Each change revokes other sessions and is recorded."""

from typing import Any

from allauth.account import views as allauth
from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn import views as webauthn
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView

from accounts.audit import AuditAction
from accounts.forms import AddPasskeyForm, EnableTotpForm, StepUpForm
from accounts.services import SID, LimitReached, sessions_revoke_all
from accounts.step_up import STEP_UP_ACTIONS, request_session, step_up_pass, step_up_required
from accounts.views.base import AccountPage, account_holder, audit, passkey_options

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


def _factors_changed(request: HttpRequest, action: AuditAction, **data: Any) -> None:
    user = account_holder(request)
    sid = request.session.get(SID)
    sessions_revoke_all(
        user=user, reason="second factor changed", except_sid=sid, actor=user, request=request
    )
    audit(request, action, **data)


class Security(AccountPage, TemplateView):
    """Overview of the account's second factors, passkeys and recovery codes."""

    template_name = "account/security.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = list(Authenticator.objects.filter(user=account_holder(self.request)).order_by("created_at"))
        by_type = {kind: [row for row in rows if row.type == kind] for kind in Authenticator.Type.values}
        codes = by_type[Authenticator.Type.RECOVERY_CODES]
        return super().get_context_data(
            **kwargs,
            totp=next(iter(by_type[Authenticator.Type.TOTP]), None),
            passkeys=[(row, row.wrap().name) for row in by_type[Authenticator.Type.WEBAUTHN]],
            codes_left=len(codes[0].wrap().get_unused_codes()) if codes else 0,
        )


@method_decorator(step_up_required("password.change"), name="dispatch")
class ChangePassword(AccountPage, allauth.PasswordChangeView):
    template_name = "account/password.html"


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class EnableTotp(AccountPage, totp.ActivateTOTPView):
    template_name = "mfa/totp_enable.html"

    def form_valid(self, form: EnableTotpForm) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.TOTP_ENABLED)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        secret = context["form"].secret
        groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return {**context, "secret": secret, "secret_words": groups}


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class DisableTotp(AccountPage, totp.DeactivateTOTPView):
    template_name = "mfa/totp_disable.html"

    def form_valid(self, form: Form) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.TOTP_DISABLED)
        return response


class RecoveryCodes(AccountPage, recovery.ViewRecoveryCodesView):
    """Recovery codes: shown once; afterwards only the number of unused codes."""

    template_name = "mfa/recovery_codes.html"


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class NewRecoveryCodes(AccountPage, recovery.GenerateRecoveryCodesView):
    template_name = "mfa/recovery_codes_new.html"

    def form_valid(self, form: Form) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        audit(self.request, AuditAction.RECOVERY_CODES_GENERATED)
        return response


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class AddPasskey(AccountPage, webauthn.AddWebAuthnView):
    template_name = "mfa/passkey_add.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {**context, "passkey_options": passkey_options(context["js_data"]["creation_options"])}

    def form_valid(self, form: AddPasskeyForm) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.PASSKEY_ADDED, name=form.cleaned_data["name"])
        return response


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class RemovePasskey(AccountPage, webauthn.RemoveWebAuthnView):
    template_name = "mfa/passkey_remove.html"

    def get_success_url(self) -> str:
        return reverse("mfa_index")

    def form_valid(self, form: Form) -> HttpResponse:
        name = self.get_object().wrap().name
        response: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.PASSKEY_REMOVED, name=name)
        return response
