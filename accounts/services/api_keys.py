"""Personal API keys: made once, shown once, stored hashed."""

import secrets
from collections.abc import Collection
from datetime import timedelta

from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.audit import AuditAction, record
from accounts.models import ApiKey, User
from accounts.rate_limits import client_address
from accounts.selectors import KEY_PREFIX, api_key_digest, api_key_list

MOST_KEYS = 20
MOST_DAYS = 366
USED_EVERY_SECONDS = 60
HINT = len(KEY_PREFIX) + 4


class TooManyKeys(Exception):
    """The user holds as many keys as one may."""

    def __str__(self) -> str:
        return f"You already hold {MOST_KEYS} keys. Revoke one that you do not need."


@transaction.atomic
def api_key_create(
    *, user: User, name: str, scopes: Collection[str], days: int, request: HttpRequest | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again. Raises `TooManyKeys`.

    `days` from now it expires. `ValueError` for no or unknown scopes and for a time out of bounds.
    """
    if not scopes or not set(scopes) <= set(ApiKey.Scope.values) or not 1 <= days <= MOST_DAYS:
        raise ValueError("an API key needs known scopes and a bounded life")
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # or two at once would pass the count
    if api_key_list(user=user).count() >= MOST_KEYS:
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
    """End a key. Of two who try at once, one gets True, and there is one audit entry."""
    ended = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
    if ended:
        record(
            action=AuditAction.API_KEY_REVOKED,
            actor=actor,
            subject=f"api_key:{key.pk}",
            data={"name": key.name},
            request=request,
        )
    return bool(ended)


def api_key_rename(*, key: ApiKey, name: str) -> ApiKey:
    key.name = name
    key.save(update_fields=["name"])
    return key


def api_key_used(*, key: ApiKey, request: HttpRequest) -> None:
    """Note when and from where the key was used, at most once a minute."""
    try:
        due = cache.add(f"api-key-used:{key.pk}", "1", USED_EVERY_SECONDS)
    except RedisError:
        return  # it will be noted when Redis is back
    if due:
        ApiKey.objects.filter(pk=key.pk).update(
            last_used_at=timezone.now(), last_used_address=client_address(request)
        )
