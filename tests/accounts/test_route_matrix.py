"""Route × verb × principal × own or foreign object, for every route that the URL conf has."""

import re
from contextlib import contextmanager
from http.cookies import SimpleCookie
from itertools import product
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.domain.permissions import RULES, Act, Role, may
from accounts.models import AuditEntry, AuthSession, User
from accounts.services import SID, role_set
from tests.accounts.auth_factories import key_of
from tests.accounts.route_matrix import PREFIXES, ROUTES, Access, Route, classified, walk
from tests.market import factories

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PRINCIPALS = ("anonymous", "alice", "bob", "support", "administrator")
OWNER = "alice"
# What a path of the administration holds where a pattern has a group.
SAMPLES = {"(?P<app_label>accounts|market)": "accounts", "(?P<url>.*)": "nothing/"}
ALL = sorted(set(walk()))
HOUSE = [route for route in ALL if not route.startswith(tuple(PREFIXES))]
ADMIN = [route for route in ALL if route.startswith(tuple(PREFIXES))]


@pytest.fixture
def people(alice, bob):
    factories.market_make()
    made = {"alice": alice, "bob": bob}
    for role in (Role.SUPPORT, Role.ADMINISTRATOR):
        user = User.objects.create_user(f"{role.value}@example.org", "long enough words")
        role_set(user=user, role=role, actor=None)
        made[role.value] = User.objects.get(pk=user.pk)
    return made


def role_of_principal(name):
    return {"anonymous": Role.PUBLIC, "alice": Role.TRADER, "bob": Role.TRADER}.get(name) or Role(name)


def client_of(people, name):
    """Signed in with a second factor and a fresh proof, so that nothing but authority decides."""
    client = Client(raise_request_exception=False)
    if name in people:
        client.force_login(people[name])
        now = timezone.now()
        AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=now, second_factor_at=now)
    return client


def clients_of(people, *names):
    """Made once for many calls: `call` gives each its cookies back."""
    made = {name: client_of(people, name) for name in names}
    for client in made.values():
        client.kept = client.cookies.output(attrs=[], header="").replace("\r\n", ";")
    return made


@contextmanager
def undone():
    """Whatever a call changed is changed back before the next."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def path_of(route, kwargs):
    for pattern, sample in SAMPLES.items():
        route = route.replace(pattern, sample)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(kwargs.get(found[1], "1")), route)
    return "/" + path.strip("^$").replace("^", "").replace("$", "")


def call(client, verb, path):
    client.cookies = SimpleCookie(client.kept)
    if path.startswith("/api/"):
        return client.generic(verb, path, "{}", content_type="application/json")
    form = "application/x-www-form-urlencoded"
    return client.generic(verb, path, "", content_type=form, headers={"Accept": "text/html"})


def verdict(response):
    """`refused`, `no such verb`, `sent on`, `failed` or `through`."""
    if response.status_code in (401, 403, 404, 429):
        return "refused"
    if response.status_code in (301, 302) and response.headers["Location"].startswith("/accounts/login/"):
        return "refused"
    if response.status_code == 405:
        return "no such verb"
    if response.status_code in (301, 302):
        return "sent on"
    return "failed" if response.status_code >= 500 else "through"


def may_call(rule: Route, verb: str, principal: str) -> bool:
    if verb not in rule.verbs.split():
        return False
    role = role_of_principal(principal)
    match rule.access:
        case Access.OPEN:
            return True
        case Access.PERSON | Access.USER:
            return role is not Role.PUBLIC
        case Access.OWNER:
            return principal == OWNER
        case Access.RULES:
            act = Act.READ if verb == "GET" else Act.CHANGE
            user = None if role is Role.PUBLIC else principal
            return may(role=role, act=act, kind=rule.kind or "", owner=OWNER, user=user)
        case Access.STAFF:
            return role in (Role.SUPPORT, Role.ADMINISTRATOR)
    raise AssertionError(rule.access)


def is_entrance(route):
    """allauth sends on whoever has nothing to do there, whatever the verb."""
    return route.startswith("accounts/")


# Not refusals but answers, each with its reason.
ANSWERS = {
    # Nothing has been asked for, so allauth leads back to the sign-in.
    ("accounts/login/second-factor/", "refused"),
    ("accounts/verify/", "refused"),
    ("accounts/recover/code/", "refused"),
    ("accounts/recover/password/", "refused"),
    ("accounts/inactive/", "refused"),
    ("accounts/login/passkey/", "refused"),
    # 404 while there is no second factor.
    ("account/totp/off/", "refused"),
    ("account/recovery-codes/", "refused"),
    # The body is empty, hence no credential and no proof.
    ("api/v1/auth/refresh", "refused"),
    # There is nothing of that name in an empty market, or no worker in a test.
    ("api/v1/book", "refused"),
    ("api/v1/trades", "refused"),
    ("api/v1/candles", "refused"),
    ("ready", "failed"),
    # The query is empty, hence no wallet.
    ("orders/share/<slug:venue>/<path:symbol>/", "refused"),
}


# --- the matrix ------------------------------------------------------------------------------------------
def test_every_route_is_classified():
    assert [route for route in ALL if classified(route) is None] == []


def test_nothing_is_classified_that_is_no_route():
    assert set(ROUTES) - set(ALL) == set()


@pytest.mark.parametrize("route", HOUSE)
def test_a_route_answers_those_it_is_for_and_nobody_else(people, route):
    rule = classified(route)
    clients = clients_of(people, *PRINCIPALS)
    wrong, path = [], path_of(route, rule.make(people[OWNER]) if rule.make else {})
    for verb, principal in product(VERBS, PRINCIPALS):
        with undone():
            response = call(clients[principal], verb, path)
        got = verdict(response)
        if may_call(rule, verb, principal):
            good = got in ("through", "sent on") or (route.removesuffix("/"), got) in _ANSWERS
        else:
            good = got in ("refused", "no such verb") or (got == "sent on" and is_entrance(route))
        if not good:
            wrong.append(f"{verb} by {principal}: {got} ({response.status_code})")
    assert wrong == []


_ANSWERS = {(route.removesuffix("/"), got) for route, got in ANSWERS}


def test_the_administration_is_closed_to_visitors_and_traders(people):
    clients = clients_of(people, "anonymous", "alice")
    for route, verb, principal in product(ADMIN, VERBS, clients):
        with undone():
            response = call(clients[principal], verb, path_of(route, {}))
        door = response.headers.get("Location", "").startswith("/admin/")  # which leads to the sign-in
        assert door or verdict(response) in ("refused", "no such verb"), (route, verb, principal, response)


def test_support_changes_nothing_in_the_administration(people):
    def state():
        users = list(User.objects.order_by("pk").values())
        return users, AuthSession.objects.filter(revoked_at=None).count(), AuditEntry.objects.count()

    clients = clients_of(people, "support")
    before = state()
    for route, verb in product(ADMIN, ("POST", "PUT", "PATCH", "DELETE")):
        path = path_of(route, {"object_id": people["alice"].pk})
        if "logout" not in path:
            assert verdict(call(clients["support"], verb, path)) != "failed", (route, verb)
    assert state() == before


def test_staff_enters_the_administration(people):
    for principal in ("support", "administrator"):
        assert client_of(people, principal).get("/admin/").status_code == 200


@pytest.mark.parametrize("route", [route for route in HOUSE if route.startswith("api/")])
def test_an_api_key_enters_only_where_it_may(people, route):
    _, secret = key_of(people[OWNER], ["read", "trade", "bots"])
    client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    client.kept = ""
    rule = classified(route)
    for verb in rule.verbs.split():
        with undone():
            kwargs = rule.make(people[OWNER]) if rule.make else {}
            got = verdict(call(client, verb, path_of(route, kwargs)))
        if rule.keys is not None:
            assert got == ("through" if verb in rule.keys.split() else "refused"), verb
        elif rule.access in (Access.PERSON, Access.OWNER, Access.RULES):
            assert got == "refused", verb
        elif rule.access is Access.USER:
            assert got == ("through" if verb == "GET" else "refused"), verb


def test_every_kind_that_a_route_names_has_a_rule():
    kinds = {rule.kind for rule in ROUTES.values() if rule.access is Access.RULES}
    assert kinds <= set(RULES)


def test_a_foreign_object_looks_like_none_at_all(people):
    key = ROUTES["api/v1/api-keys/<uuid:pk>"].make(people[OWNER])["pk"]
    client = client_of(people, "bob")
    foreign, none = (client.get(f"/api/v1/api-keys/{pk}").json()["error"] for pk in (key, uuid4()))
    assert {**foreign, "request_id": "", "timestamp": ""} == {**none, "request_id": "", "timestamp": ""}


# --- the matrix bites ------------------------------------------------------------------------------------
def test_the_matrix_sees_a_route_that_nobody_classified(monkeypatch):
    monkeypatch.delitem(ROUTES, "api/v1/me")
    assert classified("api/v1/me") is classified("api/v1/me/") is None


def test_the_matrix_sees_an_owner_check_that_is_gone(people, monkeypatch):
    monkeypatch.setattr("accounts.api.common.user_may", lambda **_: True)
    with pytest.raises(AssertionError, match="bob"):
        test_a_route_answers_those_it_is_for_and_nobody_else(people, "api/v1/api-keys/<uuid:pk>")


def test_the_matrix_sees_a_view_without_permission(people, monkeypatch):
    monkeypatch.setattr("accounts.api.me.Me.permission_classes", ())
    with pytest.raises(AssertionError, match="anonymous"):
        test_a_route_answers_those_it_is_for_and_nobody_else(people, "api/v1/me")
