"""API keys: shown once, stored as a hash, scoped, expiring, revoked."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.api_scopes import SCOPES, required_scope
from accounts.models import ApiKey, AuditEntry
from accounts.services import TooManyKeys, api_key_create, api_key_revoke
from accounts.services.api_keys import MAX_KEYS
from tests.accounts.auth_factories import bearer, key_of, program
from tests.accounts.route_matrix import Access, classified, walk

KEYS, ME = "/api/v1/api-keys", "/api/v1/me"
WANTED = {"name": "grid bot", "scopes": ["trade", "read"], "days": 7}


def test_a_key_is_shown_once_and_stored_hashed(alice):
    client = program(alice)
    made = client.post(KEYS, WANTED)
    assert made.status_code == 201, made.json()
    secret = made.json()["key"]
    assert secret.startswith("ctk_")
    assert len(secret) > 40
    assert made.headers["Cache-Control"] == "no-store"
    assert secret not in str(ApiKey.objects.values().get())
    listed = client.get(KEYS).json()["results"]
    assert [(key["name"], key["scopes"]) for key in listed] == [("grid bot", ["read", "trade"])]
    assert "key" not in listed[0]
    assert secret.startswith(listed[0]["hint"])
    assert secret not in str(AuditEntry.objects.values())


def test_a_key_is_its_users_credential(alice):
    _, secret = key_of(alice)
    assert bearer(secret).get(ME).json()["email"] == alice.email


def test_a_wrong_key_is_refused(alice):
    _, secret = key_of(alice)
    for wrong in (f"{secret}x", secret[:-1], "ctk_", "ctk_" + "A" * 43):
        assert bearer(wrong).get(ME).status_code == 401


def test_an_expired_or_ended_key_is_refused(alice):
    key, secret = key_of(alice)
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert bearer(secret).get(ME).status_code == 401
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert bearer(secret).get(ME).status_code == 200
    api_key_revoke(key=key, actor=alice)
    assert bearer(secret).get(ME).status_code == 401


def test_a_key_dies_with_its_user(alice):
    _, secret = key_of(alice)
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    assert bearer(secret).get(ME).status_code == 401


def test_last_use_is_noted_at_most_once_a_minute(alice):
    key, secret = key_of(alice)
    bearer(secret).get(ME)
    first = ApiKey.objects.get(pk=key.pk)
    assert first.last_used_at is not None
    assert first.last_used_address == "127.0.0.1"
    bearer(secret).get(ME)
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first.last_used_at
    cache.delete(f"api-key-used:{key.pk}")  # a minute later
    bearer(secret).get(ME)
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first.last_used_at


API_ROUTES = sorted(
    {
        route.rstrip("/"): None
        for route in walk()
        if route.startswith("api/v1/") and classified(route).access != Access.OPEN
    }
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("route", API_ROUTES)
def test_each_scope_opens_its_methods_of_a_route_and_no_other(route, alice):
    """The table of accounts/api_scopes.py, by requests: with a key of one scope each method is refused or not."""
    rule = classified(route)
    path = "/" + re.sub(r"<\w+:\w+>", lambda _: str(uuid4()), route)
    opened = {}
    for scope in ApiKey.Scope.values:
        client = bearer(key_of(alice, [scope])[1])
        for verb in METHODS:
            answer = client.generic(verb, path, "{}", content_type="application/json")
            if answer.status_code not in (403, 405):
                opened.setdefault(verb, set()).add(scope)
    expected = {verb: {str(scope)} for verb, scope in SCOPES.get(route, {}).items()}
    people_only = rule.access == Access.PERSON or route in PEOPLE_ONLY
    if "GET" in rule.verbs and not people_only:
        expected["GET"] = {"read"}
    assert opened == expected


PEOPLE_ONLY = {"api/v1/auth/sessions/<uuid:pk>", "api/v1/api-keys/<uuid:pk>"}


def test_the_table_names_routes_and_methods_that_exist():
    for route, methods in SCOPES.items():
        assert set(methods) <= set(classified(route).verbs.split())


@pytest.mark.parametrize(
    ("scope", "opens"), [("trade", "api/v1/orders"), ("bots", "api/v1/bots/<uuid:pk>/start")]
)
def test_a_scope_means_what_it_says(scope, opens):
    assert required_scope(opens, "POST") == scope
    assert required_scope("api/v1/bots/<uuid:pk>/start", "POST") != "trade"
    assert required_scope("api/v1/unknown", "POST") is None


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("get", KEYS),
        ("post", KEYS),
        ("get", "/api/v1/auth/sessions"),
        ("post", "/api/v1/auth/logout"),
        ("post", "/api/v1/auth/password"),
        ("get", "/api/v1/auth/2fa"),
        ("post", "/api/v1/auth/2fa"),
        ("post", "/api/v1/auth/step-up"),
        ("patch", ME),
    ],
)
def test_no_key_manages_credentials(alice, verb, path):
    _, secret = key_of(alice, ["read", "trade", "bots"])
    assert getattr(bearer(secret), verb)(path, {}).status_code == 403


def test_a_repeated_request_makes_no_second_key(alice, bob):
    client, other = program(alice), program(bob)
    headers = {"Idempotency-Key": "b9f5"}
    assert [client.post(KEYS, WANTED, headers=headers).status_code for _ in range(2)] == [201, 409]
    assert client.post(KEYS, WANTED, headers={"Idempotency-Key": "c001"}).status_code == 201
    assert other.post(KEYS, WANTED, headers=headers).status_code == 201
    assert ApiKey.objects.filter(user=alice).count() == 2


def test_a_key_is_renamed_and_revoked_by_its_owner(alice):
    client = program(alice)
    key, secret = key_of(alice)
    assert client.patch(f"{KEYS}/{key.pk}", {"name": "other", "scopes": ["trade"]}).json()["name"] == "other"
    assert client.get(f"{KEYS}/{key.pk}").json()["scopes"] == ["read"]
    assert client.delete(f"{KEYS}/{key.pk}").status_code == 204
    assert client.get(f"{KEYS}/{key.pk}").status_code == 404
    assert bearer(secret).get(ME).status_code == 401
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1


@pytest.mark.parametrize(
    "change",
    [{"scopes": []}, {"scopes": ["admin"]}, {"days": 0}, {"days": 100_000}, {"name": ""}, {"name": None}],
    ids=str,
)
def test_a_key_needs_a_name_scopes_and_an_end(alice, change):
    response = program(alice).post(KEYS, {**WANTED, **change})
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == list(change)


def test_the_database_refuses_a_scope_that_does_not_exist(alice):
    key, _ = key_of(alice)
    for scopes in ([], ["admin"]):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(pk=key.pk).update(scopes=scopes)


def test_there_is_a_most_that_one_may_hold(alice):
    for _ in range(MAX_KEYS):
        key_of(alice)
    with pytest.raises(TooManyKeys):
        key_of(alice)
    assert program(alice).post(KEYS, WANTED).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_two_at_once_cannot_hold_more_than_the_most(alice):
    for _ in range(MAX_KEYS - 1):
        key_of(alice)

    def make(_):
        try:
            api_key_create(user=alice, name="race", scopes=["read"], days=1)
        except TooManyKeys:
            return 0
        finally:
            connection.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(make, range(4))) == 1


@pytest.mark.django_db(transaction=True)
def test_of_parallel_revocations_one_is_recorded(alice):
    key, _ = key_of(alice)

    def revoke(_):
        try:
            return api_key_revoke(key=key, actor=alice)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(revoke, range(4))) == [False, False, False, True]
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1
