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

from accounts.domain.permissions import RULES, Action, Role, is_allowed
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
OWN_ROUTES = [route for route in ALL if not route.startswith(tuple(PREFIXES))]
ADMIN = [route for route in ALL if route.startswith(tuple(PREFIXES))]


@pytest.fixture
def users(alice, bob):
    factories.market_make()
    created = {"alice": alice, "bob": bob}
    for role in (Role.SUPPORT, Role.ADMINISTRATOR):
        user = User.objects.create_user(f"{role.value}@example.org", "long enough words")
        role_set(user=user, role=role, actor=None)
        created[role.value] = User.objects.get(pk=user.pk)
    return created


def role_of_principal(name):
    return {"anonymous": Role.PUBLIC, "alice": Role.TRADER, "bob": Role.TRADER}.get(name) or Role(name)


def client_of(users, name):
    """Client with a second factor and recent authentication, so that only permissions decide."""
    client = Client(raise_request_exception=False)
    if name in users:
        client.force_login(users[name])
        now = timezone.now()
        AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=now, second_factor_at=now)
    return client


def clients_of(users, *names):
    """Clients for many calls: `call` restores their cookies before each."""
    created = {name: client_of(users, name) for name in names}
    for client in created.values():
        client.stored_cookies = client.cookies.output(attrs=[], header="").replace("\r\n", ";")
    return created


@contextmanager
def rolled_back():
    """Roll back the changes of a call before the next one."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def path_of(route, kwargs):
    for pattern, sample in SAMPLES.items():
        route = route.replace(pattern, sample)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(kwargs.get(found[1], "1")), route)
    return "/" + path.strip("^$").replace("^", "").replace("$", "")


def call(client, verb, path):
    client.cookies = SimpleCookie(client.stored_cookies)
    if path.startswith("/api/"):
        return client.generic(verb, path, "{}", content_type="application/json")
    form = "application/x-www-form-urlencoded"
    return client.generic(verb, path, "", content_type=form, headers={"Accept": "text/html"})


def outcome(response):
    """Kind of response: `refused`, `no such verb`, `redirected`, `failed` or `passed`."""
    if response.status_code in (401, 403, 404, 429):
        return "refused"
    if response.status_code in (301, 302) and response.headers["Location"].startswith("/accounts/login/"):
        return "refused"
    if response.status_code == 405:
        return "no such verb"
    if response.status_code in (301, 302):
        return "redirected"
    return "failed" if response.status_code >= 500 else "passed"


def is_expected_to_pass(rule: Route, verb: str, principal: str) -> bool:
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
            act = Action.READ if verb == "GET" else Action.CHANGE
            user = None if role is Role.PUBLIC else principal
            return is_allowed(role=role, act=act, kind=rule.kind or "", owner=OWNER, user=user)
        case Access.STAFF:
            return role in (Role.SUPPORT, Role.ADMINISTRATOR)
    raise AssertionError(rule.access)


def is_login_route(route):
    """allauth redirects users without a pending flow away from these routes, for any method."""
    return route.startswith("accounts/")


# Expected responses that look like refusals, each with its reason.
EXCEPTIONS = {
    # No flow is pending, so allauth redirects to the login.
    ("accounts/login/second-factor/", "refused"),
    ("accounts/verify/", "refused"),
    ("accounts/recover/code/", "refused"),
    ("accounts/recover/password/", "refused"),
    ("accounts/inactive/", "refused"),
    ("accounts/login/passkey/", "refused"),
    # 404 while there is no second factor.
    ("account/totp/off/", "refused"),
    ("account/recovery-codes/", "refused"),
    # The body is empty: no credential.
    ("api/v1/auth/refresh", "refused"),
    # The market is empty, and no worker runs in a test.
    ("api/v1/book", "refused"),
    ("api/v1/trades", "refused"),
    ("api/v1/candles", "refused"),
    ("ready", "failed"),
    # The query is empty: no wallet.
    ("orders/share/<slug:venue>/<path:symbol>/", "refused"),
}


# --- the matrix ------------------------------------------------------------------------------------------
def test_every_route_is_classified():
    assert [route for route in ALL if classified(route) is None] == []


def test_nothing_is_classified_that_is_no_route():
    assert set(ROUTES) - set(ALL) == set()


@pytest.mark.parametrize("route", OWN_ROUTES)
def test_a_route_admits_exactly_the_allowed_principals(users, route):
    rule = classified(route)
    clients = clients_of(users, *PRINCIPALS)
    wrong, path = [], path_of(route, rule.make(users[OWNER]) if rule.make else {})
    for verb, principal in product(VERBS, PRINCIPALS):
        with rolled_back():
            response = call(clients[principal], verb, path)
        got = outcome(response)
        if is_expected_to_pass(rule, verb, principal):
            good = got in ("passed", "redirected") or (route.removesuffix("/"), got) in _EXCEPTIONS
        else:
            good = got in ("refused", "no such verb") or (got == "redirected" and is_login_route(route))
        if not good:
            wrong.append(f"{verb} by {principal}: {got} ({response.status_code})")
    assert wrong == []


_EXCEPTIONS = {(route.removesuffix("/"), got) for route, got in EXCEPTIONS}


def test_the_administration_is_closed_to_visitors_and_traders(users):
    clients = clients_of(users, "anonymous", "alice")
    for route, verb, principal in product(ADMIN, VERBS, clients):
        with rolled_back():
            response = call(clients[principal], verb, path_of(route, {}))
        to_admin = response.headers.get("Location", "").startswith("/admin/")  # which leads to the sign-in
        assert to_admin or outcome(response) in ("refused", "no such verb"), (
            route,
            verb,
            principal,
            response,
        )


def test_support_changes_nothing_in_the_administration(users):
    def state():
        users = list(User.objects.order_by("pk").values())
        return users, AuthSession.objects.filter(revoked_at=None).count(), AuditEntry.objects.count()

    clients = clients_of(users, "support")
    before = state()
    for route, verb in product(ADMIN, ("POST", "PUT", "PATCH", "DELETE")):
        path = path_of(route, {"object_id": users["alice"].pk})
        if "logout" not in path:
            assert outcome(call(clients["support"], verb, path)) != "failed", (route, verb)
    assert state() == before


def test_staff_enters_the_administration(users):
    for principal in ("support", "administrator"):
        assert client_of(users, principal).get("/admin/").status_code == 200


@pytest.mark.parametrize("route", [route for route in OWN_ROUTES if route.startswith("api/")])
def test_an_api_key_enters_only_where_it_may(users, route):
    _, secret = key_of(users[OWNER], ["read", "trade", "bots"])
    client = Client(headers={"Authorization": f"Bearer {secret}"}, raise_request_exception=False)
    client.stored_cookies = ""
    rule = classified(route)
    for verb in rule.verbs.split():
        with rolled_back():
            kwargs = rule.make(users[OWNER]) if rule.make else {}
            got = outcome(call(client, verb, path_of(route, kwargs)))
        if rule.keys is not None:
            assert got == ("passed" if verb in rule.keys.split() else "refused"), verb
        elif rule.access in (Access.PERSON, Access.OWNER, Access.RULES):
            assert got == "refused", verb
        elif rule.access is Access.USER:
            assert got == ("passed" if verb == "GET" else "refused"), verb


def test_every_kind_that_a_route_names_has_a_rule():
    kinds = {rule.kind for rule in ROUTES.values() if rule.access is Access.RULES}
    assert kinds <= set(RULES)


def test_a_foreign_object_looks_like_none_at_all(users):
    key = ROUTES["api/v1/api-keys/<uuid:pk>"].make(users[OWNER])["pk"]
    client = client_of(users, "bob")
    foreign, none = (client.get(f"/api/v1/api-keys/{pk}").json()["error"] for pk in (key, uuid4()))
    assert {**foreign, "request_id": "", "timestamp": ""} == {**none, "request_id": "", "timestamp": ""}


# --- the matrix detects errors ---------------------------------------------------------------------------
def test_the_matrix_detects_an_unclassified_route(monkeypatch):
    monkeypatch.delitem(ROUTES, "api/v1/me")
    assert classified("api/v1/me") is classified("api/v1/me/") is None


def test_the_matrix_detects_a_missing_owner_check(users, monkeypatch):
    monkeypatch.setattr("accounts.api.common.user_is_allowed", lambda **_: True)
    with pytest.raises(AssertionError, match="bob"):
        test_a_route_admits_exactly_the_allowed_principals(users, "api/v1/api-keys/<uuid:pk>")


def test_the_matrix_detects_a_view_without_permission(users, monkeypatch):
    monkeypatch.setattr("accounts.api.me.Me.permission_classes", ())
    with pytest.raises(AssertionError, match="anonymous"):
        test_a_route_admits_exactly_the_allowed_principals(users, "api/v1/me")
