"""What allauth asks of us: whose address, which mail, and what a sign-in or a new password sets off."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.core.mail import EmailMessage
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import totp_secrets
from accounts.audit import AuditAction, record
from accounts.rate_limits import client_address
from accounts.services import SID, credentials_end_all

# allauth's name of a message → what we say.
SENTENCES = {
    "email_confirmed.txt": "Your e-mail address is confirmed.",
    "email_confirmation_failed.txt": "This address cannot be used.",
    "password_changed.txt": "Your password is changed. Everything else that was signed in is signed out.",
    "totp_activated.txt": "Your authenticator is on. You will be asked for its code when you sign in.",
    "totp_deactivated.txt": "Your authenticator is off. A password alone opens this account now.",
    "webauthn_added.txt": "Your passkey is added.",
    "webauthn_removed.txt": "Your passkey is removed.",
}


def attempted_email(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """The account that somebody tries to get into, spelt the way that failures are counted by."""
    typed = (credentials or {}).get("email") or (credentials or {}).get("username") or ""
    return str(typed).strip().lower()[:254].replace("\0", "")


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up and passwords, each with its audit entry and its end of other credentials."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "E-mail and password do not match.",
        "incorrect_code": "This is not the code. Each code works once and for ten minutes.",
        "too_many_login_attempts": "Too many wrong codes. Wait five minutes, then try again.",
        "enter_current_password": "This is not your present password.",
        "duplicate_email": "This is your address already.",
        "email_taken": "This address cannot be used.",
        "rate_limited": "Too many codes were asked for. Wait ten minutes.",
    }

    # --- who and where ---------------------------------------------------------------------------
    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: allauth would count failures per account alone, which locks out owners.

        Failures are counted per account and address (django-axes) and requests by our limiter.
        """

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        email = attempted_email(request, credentials)
        locked = getattr(request, "axes_locked_out", False)
        action = AuditAction.USER_LOCKED_OUT if locked else AuditAction.USER_SIGN_IN_FAILED
        record(action=action, actor=None, subject=f"email:{email}", request=request)

    # --- acts ------------------------------------------------------------------------------------
    def save_user(self, request: HttpRequest, user: Any, form: BaseForm, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        saved = super().save_user(request, user, form, commit=False)
        with transaction.atomic():
            saved.save()
            record(
                action=AuditAction.USER_SIGNED_UP, actor=saved, subject=f"user:{saved.pk}", request=request
            )
        # Whoever has just chosen the password need not prove it again before the first key.
        record_authentication(request, saved, method="password")
        return saved

    def confirm_email(self, request: HttpRequest, email_address: Any) -> bool:
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

    def set_password(self, user: Any, password: str) -> None:
        """A new password ends every other credential; the browser that set it stays signed in."""
        user.set_password(password)  # slow, hence before the transaction
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

    # --- words -----------------------------------------------------------------------------------
    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Only what we have a sentence for; the pages say the rest by themselves."""
        if text := message or SENTENCES.get((message_template or "").rpartition("/")[2]):
            super().add_message(request, level, message=str(text), extra_tags=extra_tags)

    # --- mail ------------------------------------------------------------------------------------
    def render_mail(
        self, template_prefix: str, email: Any, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMessage:
        """One template each, templates/mail/<name>.txt: the subject, an empty line, the text."""
        name = f"mail/{template_prefix.rpartition('/')[2]}.txt"
        subject, _, text = render_to_string(name, context, self.request).strip().partition("\n\n")
        return EmailMessage(subject, f"{text}\n", self.get_from_email(), [email], headers=headers)

    # --- where to --------------------------------------------------------------------------------
    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        return reverse("account:profile") if self.request.user.is_authenticated else reverse("account_login")

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        return [{"id": "step_up", "description": "Confirm it is you", "url": reverse("account:step_up")}]


class MfaAdapter(DefaultMFAAdapter):
    """Second factors whose seeds are sealed."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This is not the code. Each code works once; wait for the next one.",
        "unverified_email": "Confirm your e-mail address first.",
    }

    def encrypt(self, text: str) -> str:
        user = getattr(context.request, "user", None)
        return totp_secrets.seal(text, user=str(user.pk) if user and user.is_authenticated else None)

    def decrypt(self, encrypted_text: str) -> str:
        return totp_secrets.unseal(encrypted_text)

    def _get_site_name(self) -> str:
        return "CryptoTrade"
