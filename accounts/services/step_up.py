"""Step-up authentication: confirms the identity of a signed-in user, valid for ten minutes."""

from datetime import timedelta

from allauth.mfa.base.forms import BaseAuthenticateForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from accounts.audit import AuditAction, record
from accounts.models import AuthSession, User
from core.rate_limits import RateLimitClass, consume

STEP_UP_LIFETIME = timedelta(minutes=10)


class LimitReached(Exception):
    """Too many attempts; the next one is accepted after `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return gettext("Too many attempts. Try again in %(seconds)d s.") % {"seconds": self.retry_after_s}


def step_up_is_fresh(session: AuthSession | None) -> bool:
    """Whether this session was confirmed in the last ten minutes. Requests with an API key never are."""
    return (
        session is not None
        and session.step_up_at is not None
        and timezone.now() - session.step_up_at <= STEP_UP_LIFETIME
    )


def step_up_pass(*, session: AuthSession, request: HttpRequest, password: str = "", totp: str = "") -> bool:
    """Confirm this session by a password or a code (TOTP or recovery). False if it is incorrect.

    Raises `LimitReached`; `RateLimiterUnavailable` without Redis, because guesses must be counted. A
    browser gets a new session key, so that a key that leaked earlier does not become confirmed.
    """
    if session.kind == AuthSession.Kind.API:  # the middleware counts API clients by address only
        step_up_attempt_count(session.user)
    by_code = bool(totp)
    user = session.user
    is_correct = second_factor_check(user=user, code=totp) if by_code else user.check_password(password)
    if is_correct:
        _confirm(session, request, second_factor=by_code)
    record(
        action=AuditAction.STEP_UP_PASSED if is_correct else AuditAction.STEP_UP_FAILED,
        actor=session.user,
        subject=f"session:{session.sid}",
        data={"by": "code" if by_code else "password"},
        request=request,
    )
    return is_correct


def step_up_attempt_count(user: User) -> None:
    """Count an attempt to confirm this user's identity. Raises `LimitReached`."""
    limit = consume(RateLimitClass.STEP_UP, user=str(user.pk))
    if not limit.allowed:
        raise LimitReached(limit.retry_after_s)


def _confirm(session: AuthSession, request: HttpRequest, *, second_factor: bool) -> None:
    session.step_up_at = timezone.now()
    changed = ["step_up_at"]
    if second_factor:
        session.second_factor_at = session.step_up_at
        changed.append("second_factor_at")
    session.save(update_fields=changed)
    if session.kind == AuthSession.Kind.WEB:
        request.session.cycle_key()


def second_factor_check(*, user: User, code: str) -> bool:
    """Whether `code` is an unused TOTP or recovery code of the user; a valid code is used up."""
    form = BaseAuthenticateForm(data={"code": code}, user=user)
    if not form.is_valid():
        return False
    form.authenticator.record_usage()
    return True
