"""One-time sign-in codes: what a local house prints for its demo trader."""

import hashlib
import secrets

from django.core.cache import cache

from accounts.models import User
from accounts.selectors import uuid_or_none

CODE_SECONDS = 3600


def sign_in_code_mint(*, user: User) -> str:
    """A code that signs this user in once within the hour. Only its hash is kept."""
    code = secrets.token_urlsafe(32)
    cache.set(_code_key(code), str(user.pk), CODE_SECONDS)
    return code


def sign_in_code_redeem(*, code: str) -> User | None:
    """The user of a code that has not been used; of two who bring it at once, one gets None."""
    key = _code_key(code)
    pk = uuid_or_none(cache.get(key))
    if pk is None or not cache.delete(key):
        return None
    return User.objects.filter(pk=pk, is_active=True).first()


def _code_key(code: str) -> str:
    return f"sign-in-code:{hashlib.sha256(code.encode()).hexdigest()}"
