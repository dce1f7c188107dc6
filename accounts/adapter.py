"""django-allauth adapters: client address, mail templates, messages, audit entries, password side effects."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.core.mail import EmailMessage
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import totp_secrets
from accounts.audit import AuditAction, record
from accounts.models import User
from accounts.services import SID, credentials_end_all
from core.rate_limits import client_address

# File name of allauth's message template → the text shown instead of it.
ERROR_MESSAGES = {
    "email_confirmed.txt": _("E-mail address confirmed."),
    "email_confirmation_failed.txt": _("This e-mail address cannot be used."),
    "password_changed.txt": _("Password changed. All other sessions were signed out."),
    "totp_activated.txt": _("Authenticator enabled. Its code is required at the next sign-in."),
    "totp_deactivated.txt": _("Authenticator disabled. The account is protected by the password only."),
    "webauthn_added.txt": _("Passkey added."),
    "webauthn_removed.txt": _("Passkey removed."),
}


def attempted_email(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The e-mail address of a login attempt, normalised as the key by which django-axes counts failures."""
    typed = (credentials or {}).get("email") or (credentials or {}).get("username") or ""
    return str(typed).strip().lower()[:254].replace("\0", "")


class AccountAdapter(DefaultAccountAdapter):
    """Account adapter of django-allauth: records sign-ups and password changes, revokes other credentials."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _("E-mail and password do not match."),
        "incorrect_code": _("Incorrect code. Each code works once and expires after ten minutes."),
        "too_many_login_attempts": _("Too many wrong codes. Wait five minutes, then try again."),
        "enter_current_password": _("Incorrect current password."),
        "duplicate_email": _("This is already your e-mail address."),
        "email_taken": _("This e-mail address cannot be used."),
        "rate_limited": _("Too many codes requested. Wait ten minutes, then try again."),
    }

    # --- client address and login failures -------------------------------------------------------
    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Does nothing: allauth would count failures per account alone, which locks out the owner.

        django-axes counts failures per account and address; the rate limiter counts requests.
        """

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        email = attempted_email(request, credentials)
        locked = getattr(request, "axes_locked_out", False)
        action = AuditAction.USER_LOCKED_OUT if locked else AuditAction.USER_SIGN_IN_FAILED
        record(action=action, actor=None, subject=f"email:{email}", request=request)

    # --- sign-up, verification, passwords --------------------------------------------------------
    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        saved: User = super().save_user(request, user, form, commit=False)
        with transaction.atomic():
            saved.save()
            record(
                action=AuditAction.USER_SIGNED_UP, actor=saved, subject=f"user:{saved.pk}", request=request
            )
        # The user has just chosen the password: the first API key needs no further authentication.
        record_authentication(request, saved, method="password")
        return saved

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        confirmed = bool(super().confirm_email(request, email_address))
        if confirmed:
            user = email_address.user
            data = {"email": email_address.email}
            record(
                action=AuditAction.USER_VERIFIED,
                actor=user,
                subject=f"user:{user.pk}",
                data=data,
                request=request,
            )
        return confirmed

    def set_password(self, user: User, password: str) -> None:
        """Set a new password and revoke all other credentials; the browser that set it stays signed in."""
        user.set_password(password)  # hashing is slow, hence before the transaction
        request = context.request
        own = request.user == user
        with transaction.atomic():
            user.save(update_fields=["password"])
            keep = request.session.get(SID) if own else None
            credentials_end_all(
                user=user, reason="new password", except_sid=keep, actor=user, request=request
            )
            action = AuditAction.PASSWORD_CHANGED if own else AuditAction.PASSWORD_RESET
            record(action=action, actor=user, subject=f"user:{user.pk}", request=request)

    # --- flash messages --------------------------------------------------------------------------
    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Add a flash message only for the templates in `ERROR_MESSAGES`; the pages show all other states."""
        if text := message or ERROR_MESSAGES.get((message_template or "").rpartition("/")[2]):
            super().add_message(request, level, message=str(text), extra_tags=extra_tags)

    # --- mail ------------------------------------------------------------------------------------
    def render_mail(
        self, template_prefix: str, email: str, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMessage:
        """Render templates/mail/<name>.txt: the subject, an empty line, the text."""
        name = f"mail/{template_prefix.rpartition('/')[2]}.txt"
        subject, _, text = render_to_string(name, context, self.request).strip().partition("\n\n")
        return EmailMessage(subject, f"{text}\n", self.get_from_email(), [email], headers=headers)

    # --- redirects -------------------------------------------------------------------------------
    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        return reverse("account:profile") if self.request.user.is_authenticated else reverse("account_login")

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        return [
            {
                "id": "step_up",
                "description": gettext("Confirm your identity"),
                "url": reverse("account:step_up"),
            }
        ]


class MfaAdapter(DefaultMFAAdapter):
    """MFA adapter of django-allauth: TOTP seeds are stored encrypted (`accounts.totp_secrets`)."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("Incorrect code. Each code works once; wait for the next one."),
        "unverified_email": _("Confirm your e-mail address first."),
    }

    def encrypt(self, text: str) -> str:
        user = getattr(context.request, "user", None)
        return totp_secrets.seal(text, user=str(user.pk) if user and user.is_authenticated else None)

    def decrypt(self, encrypted_text: str) -> str:
        return totp_secrets.unseal(encrypted_text)

    def _get_site_name(self) -> str:
        return "CryptoTrade"
