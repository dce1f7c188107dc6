"""One-time login codes, used for the demo trader's link that `manage.py up` prints."""

import hashlib
import secrets

from django.core.cache import cache

from accounts.models import User
from accounts.selectors import uuid_or_none

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
