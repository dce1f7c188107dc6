"""Sign-up for programs, through the same forms, mails and code process as the pages (django-allauth).

allauth keeps a code process in the visitor's session. A program has none, so each process gets a
session of its own, whose key (128 random bits and more) is the handle that the program brings back.
"""

from collections.abc import Iterator
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
from django.contrib.messages.storage.base import BaseStorage
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.models import User
from accounts.services.step_up import LimitReached

CODE_SECONDS = 600
_PURPOSE = "program_verification"
_FIELDS = {"password1": "password", "password2": "password"}


class SignUpInvalid(Exception):
    """`errors`: field → sentences."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "Some fields are not right."


class VerificationFailed(Exception):
    """A wrong, used or expired code; which of them is nobody's business."""

    def __str__(self) -> str:
        return "That code is not valid. Codes end after ten minutes, one use or three wrong tries."


class _NoMessages(BaseStorage):
    """Flash messages are for pages."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(self, messages: Any, response: HttpResponse, *args: Any, **kwargs: Any) -> list[Any]:
        return []


@contextmanager
def _apart(request: HttpRequest, handle: str | None = None) -> Iterator[Any]:
    """Lend the request a session that is not its own; nothing of it reaches the caller's cookies."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(handle)
    kept = {name: getattr(request, name) for name in ("session", "_messages") if hasattr(request, name)}
    request.session = store
    request._messages = _NoMessages(request)  # type: ignore[attr-defined]
    try:
        yield store
    finally:
        for name, value in kept.items():
            setattr(request, name, value)


def sign_up(*, email: str, password: str, name: str, request: HttpRequest) -> str:
    """Begin a sign-up and return its handle. Known addresses are answered alike; only the mail differs.

    Raises `SignUpInvalid` for a bad password or address, `LimitReached` when mails were sent too often.
    """
    data = {"email": email, "password1": password, "password2": password}
    form = get_form_class(app_settings.FORMS, "signup", SignupForm)(data=data)
    if not form.is_valid():
        raise SignUpInvalid({_FIELDS.get(field, field): [*texts] for field, texts in form.errors.items()})
    with _apart(request) as store, transaction.atomic():
        user, response = form.try_save(request)
        if user is not None:
            User.objects.filter(pk=user.pk).update(name=name)
            response = complete_signup(request, user=user)
        _refuse_too_many(response)
        return _handle(store)


def verification_begin(*, address: EmailAddress, request: HttpRequest) -> str:
    """Mail a new code to an address that waits for its verification, and return the handle."""
    with _apart(request) as store:
        try:
            send_verification_email_to_address(request, address)
        except ImmediateHttpResponse as error:
            _refuse_too_many(error.response)
        return _handle(store)


def verification_finish(*, handle: str, code: str, request: HttpRequest) -> str:
    """Mark the address of this process as verified and return it. Raises `VerificationFailed`."""
    with _apart(request, handle) as store:
        process = EmailVerificationProcess.resume(request) if store.get(_PURPOSE) else None
        if process is None:
            raise VerificationFailed
        # `user` is None where the address was somebody's already: then no code is right.
        if process.user is None or not compare_user_code(actual=code, expected=process.code):
            process.record_invalid_attempt()
            store.save()
            raise VerificationFailed
        return _finish(process, store)


def _finish(process: EmailVerificationProcess, store: Any) -> str:
    address = process.finish()
    store.flush()
    if address is None:
        raise VerificationFailed
    return str(address.email)


def _handle(store: Any) -> str:
    """Keep only the process: the handle must never be good as a session cookie."""
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
