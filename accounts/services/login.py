"""Signing a program in: the same backends, lockout and second factor as the pages."""

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import get_address_for_user
from allauth.mfa.utils import is_mfa_enabled
from axes.utils import reset
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import AuthSession, User
from accounts.rate_limits import client_address
from accounts.services.sessions import session_open
from accounts.services.signup import verification_begin
from accounts.services.step_up import LimitReached, second_factor_check

WAIT_SECONDS = 300


class SignInRefused(Exception):
    """Unknown, wrong, switched off or locked out: one sentence for all."""

    def __str__(self) -> str:
        return "E-mail and password do not match."


class SecondFactorMissing(Exception):
    """The password is right; a code is missing or not right."""

    def __init__(self, *, tried: bool) -> None:
        super().__init__(tried)
        self.tried = tried

    def __str__(self) -> str:
        return "That code is not right." if self.tried else "A code of your second factor is needed, too."


class EmailUnverified(Exception):
    """The password is right; the address has not been confirmed. A code has been mailed."""

    def __init__(self, verification: str) -> None:
        super().__init__("unverified")
        self.verification = verification


def program_sign_in(*, email: str, password: str, code: str, request: HttpRequest) -> AuthSession:
    """A session for who knows the password and, where one is on, holds the second factor.

    Raises `SignInRefused`, `EmailUnverified`, `SecondFactorMissing`, `LimitReached`.
    """
    try:
        user = get_adapter(request).authenticate(request, email=email, password=password)
    except ValidationError:  # allauth's own count of failures
        raise LimitReached(WAIT_SECONDS) from None
    if not isinstance(user, User) or not user.is_active:
        raise SignInRefused
    address = get_address_for_user(user)
    if address is None or not address.verified:
        raise EmailUnverified(verification_begin(address=address, request=request) if address else "")
    now = timezone.now()
    guarded = is_mfa_enabled(user)
    if guarded and not (code and second_factor_check(user=user, code=code)):
        raise SecondFactorMissing(tried=bool(code))
    User.objects.filter(pk=user.pk).update(last_login=now)
    reset(ip=client_address(request), username=email.strip().lower())  # as a page's sign-in does
    return session_open(
        user=user,
        kind=AuthSession.Kind.API,
        request=request,
        second_factor_at=now if guarded else None,
        step_up_at=now,
    )
