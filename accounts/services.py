"""Who is behind a credential. Each look-up returns None for anything that is not valid."""

import hashlib
import secrets
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User


def session_user(session_key: str) -> str | None:
    """The user signed in by this session cookie, if the session and the password still stand."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = _active_user(store.get(SESSION_KEY))
    proof = store.get(HASH_SESSION_KEY, "")
    if user is None or not constant_time_compare(proof, user.get_session_auth_hash()):
        return None
    return str(user.pk)


def token_user(token: str) -> str | None:
    """The user of this access token: signature, expiry, audience and issuer are checked."""
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
    except TokenError:
        return None
    user = _active_user(claims.get("user_id"))
    return str(user.pk) if user else None


def _active_user(pk: Any) -> User | None:
    try:
        return User.objects.filter(pk=pk, is_active=True).first() if pk else None
    except (ValidationError, ValueError):
        return None


# --- one-time sign-in codes ------------------------------------------------------------------------
CODE_SECONDS = 3600


def sign_in_code_mint(*, user: User) -> str:
    """A code that signs this user in once within the hour. Only its hash is kept."""
    code = secrets.token_urlsafe(32)
    cache.set(_code_key(code), str(user.pk), CODE_SECONDS)
    return code


def sign_in_code_redeem(*, code: str) -> User | None:
    """The user of a code that has not been used; of two who bring it at once, one gets None."""
    key = _code_key(code)
    pk = cache.get(key)
    if pk is None or not cache.delete(key):
        return None
    return _active_user(pk)


def _code_key(code: str) -> str:
    return f"sign-in-code:{hashlib.sha256(code.encode()).hexdigest()}"
