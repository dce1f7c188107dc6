"""Principals of websocket credentials. Each look-up returns None for an invalid credential."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from accounts.models import ApiKey
from accounts.selectors import KEY_PREFIX, api_key_find, session_find
from accounts.services.sessions import SID
from accounts.services.tokens import access_read


@dataclass(frozen=True)
class Principal:
    """Authenticated user of a websocket: id, handle for `live_credentials`, expiry of the credential."""

    user_id: str
    credential: str
    expires_at: float | None = None  # Unix time


def principal_from_session(session_key: str) -> Principal | None:
    """The user of this session cookie, if the session is open and its password is unchanged."""
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if store.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    session = session_find(store.get(SID))
    if session is None or str(session.user_id) != store.get(SESSION_KEY):
        return None
    if not constant_time_compare(store.get(HASH_SESSION_KEY, ""), session.user.get_session_auth_hash()):
        return None
    return Principal(str(session.user_id), f"session:{session.sid}")


def principal_from_token(token: str) -> Principal | None:
    """The user of an access token, or of an API key with the scope `read`."""
    if token.startswith(KEY_PREFIX):
        key = api_key_find(token)
        if key is None or ApiKey.Scope.READ not in key.scopes:
            return None
        return Principal(str(key.user_id), f"api_key:{key.pk}", key.expires_at.timestamp())
    token_session = access_read(token)
    if token_session is None:
        return None
    session, expires_at = token_session
    return Principal(str(session.user_id), f"session:{session.sid}", expires_at)
