"""Sign-up of API clients, with the same forms, mails and verification process as the pages (django-allauth).

allauth stores the verification process in the visitor's session. An API client has none, so each
process gets its own session; its key (at least 128 random bits) is the handle that the client returns.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from allauth.account import app_settings
from allauth.account.forms import SignupForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY,
    EmailVerificationProcess,
)
from allauth.account.internal.flows.signup import complete_signup
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal.cryptokit import compare_user_code
from allauth.utils import get_form_class
from django.conf import settings
from django.contrib.messages.storage.base import BaseStorage, Message
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from accounts.models import User
from accounts.services.step_up import LimitReached

CODE_SECONDS = 600
_PURPOSE = "program_verification"
_FIELDS = {"password1": "password", "password2": "password"}


class SignUpInvalid(Exception):
    """Invalid sign-up data; `errors`: field → messages."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return gettext("Some fields are invalid.")


class VerificationFailed(Exception):
    """A wrong, used or expired code; the message does not reveal which."""

    def __str__(self) -> str:
        return gettext("Invalid code. Codes expire after ten minutes, one use or three wrong attempts.")


class _NoMessages(BaseStorage):
    """Message storage that discards flash messages: API responses do not show them."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(
        self, messages: Sequence[Message], response: HttpResponse, *args: Any, **kwargs: Any
    ) -> list[Any]:
        return []


@contextmanager
def _process_session(request: HttpRequest, handle: str | None = None) -> Iterator[SessionBase]:
    """Replace the request's session by that of the process; the caller's cookies are not affected."""
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(handle)
    original = {name: getattr(request, name) for name in ("session", "_messages") if hasattr(request, name)}
    request.session = store
    request._messages = _NoMessages(request)  # type: ignore[attr-defined]
    try:
        yield store
    finally:
        for name, value in original.items():
            setattr(request, name, value)


def sign_up(*, email: str, password: str, name: str, request: HttpRequest) -> str:
    """Start a sign-up and return its handle. For an address with an account only the mail differs.

    Raises `SignUpInvalid` for an invalid password or address, `LimitReached` when too many mails were sent.
    """
    data = {"email": email, "password1": password, "password2": password}
    form = get_form_class(app_settings.FORMS, "signup", SignupForm)(data=data)
    if not form.is_valid():
        raise SignUpInvalid({_FIELDS.get(field, field): [*texts] for field, texts in form.errors.items()})
    with _process_session(request) as store, transaction.atomic():
        user, response = form.try_save(request)
        if user is not None:
            User.objects.filter(pk=user.pk).update(name=name)
            response = complete_signup(request, user=user)
        _refuse_too_many(response)
        return _handle(store)


def verification_begin(*, address: EmailAddress, request: HttpRequest) -> str:
    """Mail a new code to an unverified address and return the handle. Raises `LimitReached`."""
    with _process_session(request) as store:
        try:
            send_verification_email_to_address(request, address)
        except ImmediateHttpResponse as error:
            _refuse_too_many(error.response)
        return _handle(store)


def verification_finish(*, handle: str, code: str, request: HttpRequest) -> str:
    """Mark the address of this process as verified and return it. Raises `VerificationFailed`."""
    with _process_session(request, handle) as store:
        process = EmailVerificationProcess.resume(request) if store.get(_PURPOSE) else None
        if process is None:
            raise VerificationFailed
        # `user` is None when the address already had an account: then every code is refused.
        if process.user is None or not compare_user_code(actual=code, expected=process.code):
            process.record_invalid_attempt()
            store.save()
            raise VerificationFailed
        return _finish(process, store)


def _finish(process: EmailVerificationProcess, store: SessionBase) -> str:
    address = process.finish()
    store.flush()
    if address is None:
        raise VerificationFailed
    return str(address.email)


def _handle(store: SessionBase) -> str:
    """Store only the process and return the session key, which must not be usable as a session cookie."""
    process = store.get(EMAIL_VERIFICATION_CODE_SESSION_KEY)
    store.clear()
    store[EMAIL_VERIFICATION_CODE_SESSION_KEY] = process
    store[_PURPOSE] = True
    store.set_expiry(CODE_SECONDS)
    store.create()
    return str(store.session_key)


def _refuse_too_many(response: HttpResponse | None) -> None:
    if response is not None and response.status_code == 429:
        raise LimitReached(CODE_SECONDS)
