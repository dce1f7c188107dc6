"""Login of API clients, with the same backends, lockout and second factor as the pages."""

import hashlib
import secrets

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.email_verification import get_address_for_user
from allauth.mfa.utils import is_mfa_enabled
from axes.utils import reset
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import AuthSession, User
from accounts.selectors import uuid_or_none
from accounts.services.sessions import session_open
from accounts.services.signup import verification_begin
from accounts.services.step_up import LimitReached, second_factor_check
from core.rate_limits import client_address

HASH_QUEUE_TIMEOUT = 300


class LoginRejected(Exception):
    """Unknown address, wrong password, disabled or locked-out account: the same message for all causes."""

    def __str__(self) -> str:
        return gettext("E-mail and password do not match.")


class SecondFactorMissing(Exception):
    """The password is correct; the second-factor code is missing (`tried` False) or incorrect."""

    def __init__(self, *, tried: bool) -> None:
        super().__init__(tried)
        self.tried = tried

    def __str__(self) -> str:
        return gettext("Incorrect code.") if self.tried else gettext("Second factor required: send a code.")


class EmailUnverified(Exception):
    """The password is correct, but the e-mail address is not confirmed. A code has been mailed."""

    def __init__(self, verification: str) -> None:
        super().__init__("unverified")
        self.verification = verification


def api_login(*, email: str, password: str, code: str, request: HttpRequest) -> AuthSession:
    """Check the password and, if enabled, the second factor; open a session.

    Raises `LoginRejected`, `EmailUnverified`, `SecondFactorMissing`, `LimitReached`.
    """
    try:
        user = get_adapter(request).authenticate(request, email=email, password=password)
    except ValidationError:  # allauth's own limit of failed attempts
        raise LimitReached(HASH_QUEUE_TIMEOUT) from None
    if not isinstance(user, User) or not user.is_active:
        raise LoginRejected
    address = get_address_for_user(user)
    if address is None or not address.verified:
        raise EmailUnverified(verification_begin(address=address, request=request) if address else "")
    now = timezone.now()
    has_second_factor = is_mfa_enabled(user)
    if has_second_factor and not (code and second_factor_check(user=user, code=code)):
        raise SecondFactorMissing(tried=bool(code))
    User.objects.filter(pk=user.pk).update(last_login=now)
    reset(ip=client_address(request), username=email.strip().lower())  # resets the failure count, as pages do
    return session_open(
        user=user,
        kind=AuthSession.Kind.API,
        request=request,
        second_factor_at=now if has_second_factor else None,
        step_up_at=now,
    )


CODE_SECONDS = 3600


def login_code_create(*, user: User) -> str:
    """Create a code that signs this user in once within an hour. Only its hash is stored."""
    code = secrets.token_urlsafe(32)
    cache.set(_code_key(code), str(user.pk), CODE_SECONDS)
    return code


def login_code_redeem(*, code: str) -> User | None:
    """The user of an unused code; the code is used up. Of two concurrent calls, one returns None."""
    key = _code_key(code)
    pk = uuid_or_none(cache.get(key))
    if pk is None or not cache.delete(key):
        return None
    return User.objects.filter(pk=pk, is_active=True).first()


def _code_key(code: str) -> str:
    return f"sign-in-code:{hashlib.sha256(code.encode()).hexdigest()}"
