"""TOTP for API clients: create a seed, enable it with its first code, disable it."""

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from allauth.mfa.utils import decrypt, encrypt
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.audit import AuditAction, record
from accounts.models import AuthSession, User
from accounts.services.sessions import sessions_revoke_all

SETUP_SECONDS = 600
Type = Authenticator.Type


class SecondFactorRefused(Exception):
    """The setup step is refused; the message is for the user."""


def second_factor_setup(*, session: AuthSession) -> tuple[str, str]:
    """Create a seed; returns it and its otpauth:// URL. It is stored encrypted for ten minutes."""
    if _totp(session.user):
        raise SecondFactorRefused(gettext("A second factor is already enabled. Disable it first."))
    secret = generate_totp_secret()
    cache.set(_setup_key(session), encrypt(secret), SETUP_SECONDS)
    return secret, get_adapter().build_totp_url(session.user, secret)


@transaction.atomic
def second_factor_enable(*, session: AuthSession, code: str, request: HttpRequest) -> list[str]:
    """Enable the seed of the setup, revoke all other sessions, return the recovery codes (shown once)."""
    user = User.objects.select_for_update(no_key=True).get(pk=session.user_id)
    sealed = cache.get(_setup_key(session))
    if sealed is None or _totp(user):
        raise SecondFactorRefused(gettext("The setup has expired. Request a new secret first."))
    secret = decrypt(sealed)
    if not validate_totp_code(secret, code):
        raise SecondFactorRefused(gettext("Incorrect code."))
    TOTP.activate(user, secret)
    Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).delete()
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    cache.delete(_setup_key(session))
    reason = "second factor changed"
    sessions_revoke_all(user=user, reason=reason, except_sid=session.sid, actor=user, request=request)
    record(action=AuditAction.TOTP_ENABLED, actor=user, subject=f"user:{user.pk}", request=request)
    return codes


@transaction.atomic
def second_factor_disable(*, session: AuthSession, request: HttpRequest) -> bool:
    """Disable TOTP and its recovery codes, revoke all other sessions. False if it was disabled already."""
    user = session.user
    if not Authenticator.objects.filter(user=user, type=Type.TOTP).delete()[0]:
        return False
    if not Authenticator.objects.filter(user=user).exclude(type=Type.RECOVERY_CODES).exists():
        Authenticator.objects.filter(user=user).delete()
    reason = "second factor changed"
    sessions_revoke_all(user=user, reason=reason, except_sid=session.sid, actor=user, request=request)
    record(action=AuditAction.TOTP_DISABLED, actor=user, subject=f"user:{user.pk}", request=request)
    return True


def second_factor_state(*, user: User) -> tuple[bool, int]:
    """Whether a second factor is enabled, and the number of unused recovery codes."""
    factors = {row.type: row for row in Authenticator.objects.filter(user=user)}
    recovery = factors.pop(Type.RECOVERY_CODES, None)
    return bool(factors), len(recovery.wrap().get_unused_codes()) if recovery else 0


def _totp(user: User) -> Authenticator | None:
    return Authenticator.objects.filter(user=user, type=Type.TOTP).first()


def _setup_key(session: AuthSession) -> str:
    return f"totp-setup:{session.sid}"
