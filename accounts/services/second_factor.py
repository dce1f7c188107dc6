"""TOTP for programs: offer a seed, turn it on with its first code, turn it off."""

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, validate_totp_code
from allauth.mfa.utils import decrypt, encrypt
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest

from accounts.audit import AuditAction, record
from accounts.models import AuthSession, User
from accounts.services.sessions import sessions_revoke_all

OFFER_SECONDS = 600
Type = Authenticator.Type


class SecondFactorRefused(Exception):
    """Carries the sentence."""


def second_factor_offer(*, session: AuthSession) -> tuple[str, str]:
    """A new seed and its otpauth:// address. It waits, encrypted, ten minutes for its first code."""
    if _totp(session.user):
        raise SecondFactorRefused("A second factor is on already. Turn it off first.")
    secret = generate_totp_secret()
    cache.set(_offer_key(session), encrypt(secret), OFFER_SECONDS)
    return secret, get_adapter().build_totp_url(session.user, secret)


@transaction.atomic
def second_factor_enable(*, session: AuthSession, code: str, request: HttpRequest) -> list[str]:
    """Turn the offered seed on and return the recovery codes, once. All other sessions end."""
    user = User.objects.select_for_update(no_key=True).get(pk=session.user_id)
    sealed = cache.get(_offer_key(session))
    if sealed is None or _totp(user):
        raise SecondFactorRefused("Ask for a new secret first.")
    secret = decrypt(sealed)
    if not validate_totp_code(secret, code):
        raise SecondFactorRefused("That code is not right.")
    TOTP.activate(user, secret)
    Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).delete()
    codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
    cache.delete(_offer_key(session))
    reason = "second factor changed"
    sessions_revoke_all(user=user, reason=reason, except_sid=session.sid, actor=user, request=request)
    record(action=AuditAction.TOTP_ENABLED, actor=user, subject=f"user:{user.pk}", request=request)
    return codes


@transaction.atomic
def second_factor_disable(*, session: AuthSession, request: HttpRequest) -> bool:
    """Turn TOTP and its recovery codes off. False when it was off. All other sessions end."""
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
    """Whether a second factor is on, and how many recovery codes are left."""
    known = {row.type: row for row in Authenticator.objects.filter(user=user)}
    spare = known.pop(Type.RECOVERY_CODES, None)
    return bool(known), len(spare.wrap().get_unused_codes()) if spare else 0


def _totp(user: User) -> Authenticator | None:
    return Authenticator.objects.filter(user=user, type=Type.TOTP).first()


def _offer_key(session: AuthSession) -> str:
    return f"totp-offer:{session.sid}"
