"""Personal API keys: create, revoke, rename, record use. The secret is shown once and stored as a hash."""

import secrets
from collections.abc import Collection
from datetime import timedelta

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from redis.exceptions import RedisError

from accounts.audit import AuditAction, record
from accounts.models import ApiKey, User
from accounts.selectors import KEY_PREFIX, api_key_digest, api_key_list
from core.rate_limits import client_address

MAX_KEYS = 20
MAX_DAYS = 366
TOUCH_INTERVAL_SECONDS = 60
HINT = len(KEY_PREFIX) + 4


class TooManyKeys(Exception):
    """The user has reached the maximum number of keys."""

    def __str__(self) -> str:
        return gettext("You already have %(count)d API keys. Revoke one first.") % {"count": MAX_KEYS}


@transaction.atomic
def api_key_create(
    *, user: User, name: str, scopes: Collection[str], days: int, request: HttpRequest | None = None
) -> tuple[ApiKey, str]:
    """Create a key that expires in `days`. Returns it and its secret, which cannot be read again.

    Raises `TooManyKeys`; `ValueError` for missing or unknown scopes and for `days` out of bounds.
    """
    if not scopes or not set(scopes) <= set(ApiKey.Scope.values) or not 1 <= days <= MAX_DAYS:
        raise ValueError("an API key needs known scopes and a bounded lifetime")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # serialises the count of concurrent requests
    if api_key_list(user=user).count() >= MAX_KEYS:
        raise TooManyKeys
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        hint=secret[:HINT],
        digest=api_key_digest(secret),
        scopes=[scope for scope in ApiKey.Scope.values if scope in scopes],
        expires_at=timezone.now() + timedelta(days=days),
    )
    data = {"name": name, "scopes": key.scopes, "expires_at": key.expires_at.isoformat()}
    record(
        action=AuditAction.API_KEY_CREATED,
        actor=user,
        subject=f"api_key:{key.pk}",
        data=data,
        request=request,
    )
    return key, secret


@transaction.atomic
def api_key_revoke(*, key: ApiKey, actor: User, request: HttpRequest | None = None) -> bool:
    """Revoke a key. Of two concurrent calls one returns True, and one audit entry is written."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    if revoked:
        record(
            action=AuditAction.API_KEY_REVOKED,
            actor=actor,
            subject=f"api_key:{key.pk}",
            data={"name": key.name},
            request=request,
        )
    return bool(revoked)


def api_key_rename(*, key: ApiKey, name: str) -> ApiKey:
    """Change the name of a key."""
    key.name = name
    key.save(update_fields=["name"])
    return key


def api_key_touch(*, key: ApiKey, request: HttpRequest) -> None:
    """Store the time and client address of the key's use, at most once a minute."""
    try:
        due = cache.add(f"api-key-used:{key.pk}", "1", TOUCH_INTERVAL_SECONDS)
    except RedisError:
        return  # without Redis the use is not recorded; the next one after its recovery is
    if due:
        ApiKey.objects.filter(pk=key.pk).update(
            last_used_at=timezone.now(), last_used_address=client_address(request)
        )
