"""Proving again that it is you."""

from datetime import timedelta

from allauth.mfa.base.forms import BaseAuthenticateForm
from django.http import HttpRequest
from django.utils import timezone

from accounts.audit import AuditAction, record
from accounts.models import AuthSession, User
from accounts.rate_limits import LimitClass, take

FRESH = timedelta(minutes=10)


class LimitReached(Exception):
    """Too many tries; `retry_after_s` says when the next one is heard."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"Too many tries. Try again in {self.retry_after_s} s."


def step_up_is_fresh(session: AuthSession | None) -> bool:
    """Whether this session has been proven within ten minutes. Programs with a key never are."""
    return (
        session is not None
        and session.step_up_at is not None
        and timezone.now() - session.step_up_at <= FRESH
    )


def step_up_pass(*, session: AuthSession, request: HttpRequest, password: str = "", totp: str = "") -> bool:
    """Take a password or a code (TOTP or recovery) as fresh proof for this session.

    False when it is not right. Raises `LimitReached`, and `LimitsUnavailable` without Redis: then
    nobody may guess. A browser gets a new session key, so that one seen before is worth nothing.
    """
    if session.kind == AuthSession.Kind.API:  # at the door a program is counted by address alone
        tries_count(session.user)
    by_code = bool(totp)
    user = session.user
    right = second_factor_check(user=user, code=totp) if by_code else user.check_password(password)
    if right:
        _prove(session, request, second_factor=by_code)
    record(
        action=AuditAction.STEP_UP_PASSED if right else AuditAction.STEP_UP_FAILED,
        actor=session.user,
        subject=f"session:{session.sid}",
        data={"by": "code" if by_code else "password"},
        request=request,
    )
    return right


def tries_count(user: User) -> None:
    """Count a guess at what this user knows. Raises `LimitReached`."""
    verdict = take(LimitClass.STEP_UP, user=str(user.pk))
    if not verdict.allowed:
        raise LimitReached(verdict.retry_after_s)


def _prove(session: AuthSession, request: HttpRequest, *, second_factor: bool) -> None:
    session.step_up_at = timezone.now()
    changed = ["step_up_at"]
    if second_factor:
        session.second_factor_at = session.step_up_at
        changed.append("second_factor_at")
    session.save(update_fields=changed)
    if session.kind == AuthSession.Kind.WEB:
        request.session.cycle_key()


def second_factor_check(*, user: User, code: str) -> bool:
    """Whether this is a TOTP or recovery code of the user that has not been used. It is used by this."""
    form = BaseAuthenticateForm(data={"code": code}, user=user)
    if not form.is_valid():
        return False
    form.authenticator.record_usage()
    return True
