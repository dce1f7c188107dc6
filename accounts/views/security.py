"""Password, second factors and passkeys. Every change ends the other sessions and is recorded."""

from typing import Any

from allauth.account import views as allauth
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

from accounts.audit import AuditAction
from accounts.services import SID, sessions_revoke_all
from accounts.step_up import step_up_required
from accounts.views.base import AccountPage, note, owner, passkey_options


def _factors_changed(request: HttpRequest, action: AuditAction, **data: Any) -> None:
    user = owner(request)
    sid = request.session.get(SID)
    sessions_revoke_all(
        user=user, reason="second factor changed", except_sid=sid, actor=user, request=request
    )
    note(request, action, **data)


class Security(AccountPage, TemplateView):
    """What protects this account, and what is missing."""

    template_name = "account/security.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = list(Authenticator.objects.filter(user=owner(self.request)).order_by("created_at"))
        by_type = {kind: [one for one in mine if one.type == kind] for kind in Authenticator.Type.values}
        codes = by_type[Authenticator.Type.RECOVERY_CODES]
        return super().get_context_data(
            **kwargs,
            totp=next(iter(by_type[Authenticator.Type.TOTP]), None),
            passkeys=[(one, one.wrap().name) for one in by_type[Authenticator.Type.WEBAUTHN]],
            codes_left=len(codes[0].wrap().get_unused_codes()) if codes else 0,
        )


@method_decorator(step_up_required("password.change"), name="dispatch")
class ChangePassword(AccountPage, allauth.PasswordChangeView):
    template_name = "account/password.html"


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class EnableTotp(AccountPage, totp.ActivateTOTPView):
    template_name = "mfa/totp_enable.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.TOTP_ENABLED)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        secret = context["form"].secret
        words = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return {**context, "secret": secret, "secret_words": words}


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class DisableTotp(AccountPage, totp.DeactivateTOTPView):
    template_name = "mfa/totp_disable.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.TOTP_DISABLED)
        return answer


class RecoveryCodes(AccountPage, recovery.ViewRecoveryCodesView):
    """The codes, the first time; afterwards only how many are left."""

    template_name = "mfa/recovery_codes.html"


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class NewRecoveryCodes(AccountPage, recovery.GenerateRecoveryCodesView):
    template_name = "mfa/recovery_codes_new.html"

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        note(self.request, AuditAction.RECOVERY_CODES_MADE)
        return answer


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class AddPasskey(AccountPage, webauthn.AddWebAuthnView):
    template_name = "mfa/passkey_add.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {**context, "passkey_options": passkey_options(context["js_data"]["creation_options"])}

    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.PASSKEY_ADDED, name=form.cleaned_data["name"])
        return answer


@method_decorator(step_up_required("second_factor.change"), name="dispatch")
class RemovePasskey(AccountPage, webauthn.RemoveWebAuthnView):
    template_name = "mfa/passkey_remove.html"

    def get_success_url(self) -> str:
        return reverse("mfa_index")

    def form_valid(self, form: Any) -> HttpResponse:
        name = self.get_object().wrap().name
        answer: HttpResponse = super().form_valid(form)
        _factors_changed(self.request, AuditAction.PASSKEY_REMOVED, name=name)
        return answer
