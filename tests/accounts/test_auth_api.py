"""Authentication API: sign-up, verification, login, second factor, keys, logout; tokens in cookies."""

from importlib import import_module

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core import mail
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import AuditEntry, AuthSession, User
from tests.accounts.auth_factories import PASSWORDS, bearer, browser, mailed_code, program, totp, verified

V1 = "/api/v1"
AUTH = f"{V1}/auth"
ME = f"{V1}/me"
NEWCOMER = {"email": "carol@example.org", "password": "a long enough phrase", "name": "Carol"}


@pytest.fixture
def anyone():
    return APIClient(enforce_csrf_checks=True)


def login(client, name, **more):
    return client.post(f"{AUTH}/login", {"email": f"{name}@example.org", "password": PASSWORDS[name], **more})


def code_of(response):
    return response.json()["error"]["code"]


def store_of(handle):
    return import_module(settings.SESSION_ENGINE).SessionStore(handle)


def second_factor(client):
    """Enable TOTP; returns the secret and the recovery codes."""
    secret = client.post(f"{AUTH}/2fa").json()["secret"]
    enabled = client.put(f"{AUTH}/2fa", {"code": totp(secret, step=-1)})
    assert enabled.status_code == 200, enabled.json()
    return secret, enabled.json()["recovery_codes"]


def test_an_api_client_signs_up_verifies_signs_in_and_revokes(db, anyone):
    pending = anyone.post(f"{AUTH}/signup", NEWCOMER)
    assert pending.status_code == 202, pending.json()
    early = anyone.post(f"{AUTH}/login", {key: NEWCOMER[key] for key in ("email", "password")})
    assert (early.status_code, code_of(early)) == (403, "EMAIL_NOT_VERIFIED")
    handle = early.json()["error"]["details"]["verification"]
    done = anyone.post(f"{AUTH}/verify", {"verification": handle, "code": mailed_code()})
    assert done.json() == {"email": NEWCOMER["email"]}
    credentials = {"email": NEWCOMER["email"], "password": NEWCOMER["password"]}
    first = bearer(anyone.post(f"{AUTH}/login", credentials).json()["access"])
    assert first.get(ME).json()["name"] == "Carol"
    secret, _ = second_factor(first)
    assert first.post(f"{AUTH}/logout").status_code == 204
    assert first.get(ME).status_code == 401
    refused_login = anyone.post(f"{AUTH}/login", credentials)
    assert (refused_login.status_code, code_of(refused_login)) == (401, "SECOND_FACTOR_REQUIRED")
    again = anyone.post(f"{AUTH}/login", {**credentials, "code": totp(secret)})
    client = bearer(again.json()["access"])
    assert client.get(ME).json()["second_factor"] is True
    made = client.post(f"{V1}/api-keys", {"name": "bot", "scopes": ["read"], "days": 1}).json()
    assert bearer(made["key"]).get(ME).status_code == 200
    assert client.delete(f"{V1}/api-keys/{made['id']}").status_code == 204
    assert bearer(made["key"]).get(ME).status_code == 401


# --- signing up ------------------------------------------------------------------------------------------
def test_known_and_unknown_addresses_are_answered_alike(alice, anyone):
    verified(alice)
    existing = anyone.post(f"{AUTH}/signup", {**NEWCOMER, "email": alice.email})
    unknown = anyone.post(f"{AUTH}/signup", NEWCOMER)
    assert existing.status_code == unknown.status_code == 202
    assert {**existing.json(), "verification": ""} == {**unknown.json(), "verification": ""}
    assert len(existing.json()["verification"]) == len(unknown.json()["verification"])
    assert User.objects.count() == 2


def test_the_handle_of_a_known_address_opens_nothing(alice, anyone):
    verified(alice)
    handle = anyone.post(f"{AUTH}/signup", {**NEWCOMER, "email": alice.email}).json()["verification"]
    code = store_of(handle)["account_email_verification_code"]["code"]
    response = anyone.post(f"{AUTH}/verify", {"verification": handle, "code": code})
    assert response.status_code == 400


def test_a_mailed_code_works_once_and_three_times_wrong_ends_it(db, anyone):
    handle = anyone.post(f"{AUTH}/signup", NEWCOMER).json()["verification"]
    right = mailed_code()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(3):
        answer = anyone.post(f"{AUTH}/verify", {"verification": handle, "code": wrong})
        assert answer.status_code == 400
    assert anyone.post(f"{AUTH}/verify", {"verification": handle, "code": right}).status_code == 400


def test_a_used_code_is_used_up(db, anyone):
    handle = anyone.post(f"{AUTH}/signup", NEWCOMER).json()["verification"]
    body = {"verification": handle, "code": mailed_code()}
    assert [anyone.post(f"{AUTH}/verify", body).status_code for _ in range(2)] == [200, 400]


def test_a_code_belongs_to_its_request(db, anyone):
    anyone.post(f"{AUTH}/signup", NEWCOMER)
    code = mailed_code()
    other = anyone.post(f"{AUTH}/signup", {**NEWCOMER, "email": "dave@example.org"}).json()["verification"]
    if mailed_code() != code:
        assert anyone.post(f"{AUTH}/verify", {"verification": other, "code": code}).status_code == 400
    assert anyone.post(f"{AUTH}/verify", {"verification": "x" * 32, "code": code}).status_code == 400


def test_an_expired_code_is_refused(db, anyone, settings):
    handle = anyone.post(f"{AUTH}/signup", NEWCOMER).json()["verification"]
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = -1
    body = {"verification": handle, "code": mailed_code()}
    assert anyone.post(f"{AUTH}/verify", body).status_code == 400


def test_a_handle_leads_to_the_code_and_to_no_half_finished_sign_in(db, anyone):
    handle = anyone.post(f"{AUTH}/signup", NEWCOMER).json()["verification"]
    stored = {key for key in store_of(handle).keys() if not key.startswith("_session")}  # noqa: SIM118
    assert stored == {"account_email_verification_code", "program_verification"}


def test_the_session_of_a_page_is_no_handle(client, db, anyone):
    client.post("/accounts/signup/", {"email": NEWCOMER["email"], "password1": NEWCOMER["password"]})
    body = {"verification": client.session.session_key, "code": mailed_code()}
    assert anyone.post(f"{AUTH}/verify", body).status_code == 400


def test_a_handle_is_no_session_cookie(db, anyone):
    handle = anyone.post(f"{AUTH}/signup", NEWCOMER).json()["verification"]
    thief = APIClient()
    thief.cookies[settings.SESSION_COOKIE_NAME] = handle
    assert thief.get(ME).status_code == 401


def test_signing_up_leaves_no_cookie(db, anyone):
    assert not anyone.post(f"{AUTH}/signup", NEWCOMER).cookies


@pytest.mark.parametrize("password", ["short", "password123", "12345678"])
def test_weak_passwords_are_refused(db, anyone, password):
    response = anyone.post(f"{AUTH}/signup", {**NEWCOMER, "password": password})
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == ["password"]
    assert not mail.outbox


# --- signing in ------------------------------------------------------------------------------------------
def test_wrong_password_unknown_address_and_disabled_user_get_the_same_response(alice, bob, anyone):
    verified(alice)
    verified(bob)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    answers = [
        anyone.post(f"{AUTH}/login", {"email": alice.email, "password": "wrong"}),
        anyone.post(f"{AUTH}/login", {"email": "unknown@example.org", "password": "wrong"}),
        login(anyone, "bob"),
    ]
    responses = {(a.status_code, code_of(a), a.json()["error"]["message"]) for a in answers}
    assert responses == {(401, "AUTHENTICATION_ERROR", "E-mail and password do not match.")}


def test_five_wrong_passwords_lock_the_guesser_out_of_the_api_too(alice, anyone):
    verified(alice)
    wrong = {"email": alice.email, "password": "wrong"}
    guesses = [anyone.post(f"{AUTH}/login", wrong, REMOTE_ADDR="192.0.2.66") for _ in range(5)]
    assert [guess.status_code for guess in guesses] == [401, 401, 401, 401, 429]
    assert code_of(guesses[-1]) == "RATE_LIMIT_EXCEEDED"
    right = {**wrong, "password": PASSWORDS["alice"]}
    assert anyone.post(f"{AUTH}/login", right, REMOTE_ADDR="192.0.2.66").status_code == 429
    assert anyone.post(f"{AUTH}/login", right, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_a_correct_password_resets_the_failure_count(alice, anyone):
    verified(alice)
    for _ in range(2):
        for _ in range(4):
            anyone.post(f"{AUTH}/login", {"email": alice.email, "password": "wrong"})
        assert login(anyone, "alice").status_code == 200


def test_signing_in_is_recorded_with_its_address_and_never_the_password(alice, anyone):
    verified(alice)
    login(anyone, "alice")
    entry = AuditEntry.objects.get(action="user.signed_in")
    session = AuthSession.objects.get()
    assert (entry.actor, entry.subject, entry.address) == (
        alice.pk,
        f"session:{session.sid}",
        "127.0.0.1",
    )
    assert PASSWORDS["alice"] not in str(AuditEntry.objects.values())


def test_opened_session_is_recorded_with_its_kind(alice, anyone):
    verified(alice)
    login(anyone, "alice")
    entry = AuditEntry.objects.get(action="session.opened")
    assert (entry.actor, entry.subject) == (alice.pk, f"session:{AuthSession.objects.get().sid}")
    assert entry.data == {"kind": "api"}


def test_a_code_of_the_second_factor_works_once(alice, anyone):
    verified(alice)
    secret, _ = second_factor(program(alice))
    code = totp(secret)
    assert login(anyone, "alice", code=code).status_code == 200
    assert code_of(login(anyone, "alice", code=code)) == "SECOND_FACTOR_REQUIRED"


def test_a_recovery_code_works_once(alice, anyone):
    verified(alice)
    _, recovery = second_factor(program(alice))
    assert login(anyone, "alice", code=recovery[0]).status_code == 200
    assert login(anyone, "alice", code=recovery[0]).status_code == 401


def test_used_recovery_code_is_recorded_without_the_code(alice, anyone):
    verified(alice)
    secret, recovery = second_factor(program(alice))
    login(anyone, "alice", code="1" * 8)
    login(anyone, "alice", code=totp(secret))
    assert not AuditEntry.objects.filter(action="recovery_code.used").exists()
    login(anyone, "alice", code=recovery[0])
    entry = AuditEntry.objects.get(action="recovery_code.used")
    assert (entry.actor, entry.subject, entry.address) == (alice.pk, f"user:{alice.pk}", "127.0.0.1")
    assert entry.data == {"left": 9}
    assert recovery[0] not in str(AuditEntry.objects.values())


def test_seeds_are_not_stored_in_the_clear(alice):
    secret, recovery = second_factor(program(alice))
    stored = str(Authenticator.objects.values())
    assert secret not in stored
    assert not any(code in stored for code in recovery)


def test_a_second_factor_is_not_turned_on_by_a_wrong_code(alice):
    client = program(alice)
    client.post(f"{AUTH}/2fa")
    assert client.put(f"{AUTH}/2fa", {"code": "000000"}).status_code == 400
    assert client.get(f"{AUTH}/2fa").json() == {"enabled": False, "recovery_codes_left": 0}


def test_turning_the_second_factor_off_ends_the_other_sessions(alice):
    client = program(alice)
    second_factor(client)
    other = program(alice)
    assert client.delete(f"{AUTH}/2fa").status_code == 204
    assert client.get(f"{AUTH}/2fa").json()["enabled"] is False
    assert other.get(ME).status_code == 401


def test_a_second_offer_is_refused_while_a_factor_is_on(alice):
    client = program(alice)
    second_factor(client)
    assert client.post(f"{AUTH}/2fa").status_code == 409


# --- profile and password --------------------------------------------------------------------------------
def test_only_the_name_can_be_changed(alice):
    client = program(alice)
    change = {"name": "Al", "email": "x@example.org", "is_staff": True, "role": "administrator", "id": "1"}
    assert client.patch(ME, change).json()["name"] == "Al"
    alice.refresh_from_db()
    assert (alice.name, alice.email, alice.is_staff) == ("Al", "alice@example.org", False)
    assert client.get(ME).json()["role"] == "trader"


def test_a_new_password_ends_everything_but_this_session(alice, anyone):
    verified(alice)
    client, other = program(alice), program(alice)
    made = client.post(f"{V1}/api-keys", {"name": "k", "scopes": ["read"], "days": 1}).json()["key"]
    change = {"current": PASSWORDS["alice"], "new": "an entirely new phrase"}
    assert client.post(f"{AUTH}/password", change).status_code == 204
    assert client.get(ME).status_code == 200
    assert other.get(ME).status_code == 401
    assert bearer(made).get(ME).status_code == 401
    assert login(anyone, "alice").status_code == 401


def test_a_browser_that_changes_its_password_stays_signed_in(alice):
    page = browser(alice)
    change = {"current": PASSWORDS["alice"], "new": "an entirely new phrase"}
    assert page.post(f"{AUTH}/password", change).status_code == 204
    assert page.get(ME).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [({"current": "wrong"}, "current"), ({"new": "short"}, "new"), ({"new": "password123"}, "new")],
    ids=str,
)
def test_a_password_change_requires_the_old_one_and_a_valid_new_one(alice, change, field):
    body = {"current": PASSWORDS["alice"], "new": "an entirely new phrase", **change}
    response = program(alice).post(f"{AUTH}/password", body)
    assert response.status_code == 400
    assert list(response.json()["error"]["details"]) == [field]


# --- tokens in cookies -----------------------------------------------------------------------------------
@pytest.fixture
def page(alice):
    """A browser with the tokens in cookies; `page.token` is for X-CSRFToken."""
    verified(alice)
    client = APIClient(enforce_csrf_checks=True)
    answer = login(client, "alice", cookies=True)
    assert answer.status_code == 200, answer.json()
    client.answer, client.token = answer, answer.json()["csrf_token"]
    return client


def test_cookies_hold_the_tokens_and_the_body_does_not(page):
    assert (page.answer.json()["access"], page.answer.json()["refresh"]) == (None, None)
    access, refresh = page.cookies["access"], page.cookies["refresh"]
    for cookie in (access, refresh):
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
    assert (access["path"], refresh["path"]) == ("/", "/api/v1/auth/refresh")
    assert page.get(ME).status_code == 200


def test_cookies_of_production_carry_the_prefixes(alice, settings):
    verified(alice)
    settings.ACCESS_COOKIE, settings.REFRESH_COOKIE = "__Host-access", "__Secure-refresh"
    settings.SESSION_COOKIE_SECURE = True
    cookies = login(APIClient(), "alice", cookies=True).cookies
    access, refresh = cookies["__Host-access"], cookies["__Secure-refresh"]
    assert access["secure"]
    assert refresh["secure"]
    assert (access["path"], access["domain"]) == ("/", "")
    assert refresh["path"] == "/api/v1/auth/refresh"


def test_a_cookie_without_a_csrf_token_changes_nothing(page, alice):
    assert page.patch(ME, {"name": "evil"}).status_code == 403
    assert page.patch(ME, {"name": "evil"}, headers={"X-CSRFToken": "A" * 64}).status_code == 403
    assert page.patch(ME, {"name": "good"}, headers={"X-CSRFToken": page.token}).status_code == 200


def test_a_foreign_origin_is_refused_even_with_the_token(page):
    headers = {"X-CSRFToken": page.token, "Origin": "https://evil.example"}
    assert page.patch(ME, {"name": "evil"}, headers=headers).status_code == 403


def test_refreshing_by_cookie_requires_the_csrf_token_too(page):
    assert page.post(f"{AUTH}/refresh").status_code == 403
    before = page.cookies["refresh"].value
    answer = page.post(f"{AUTH}/refresh", headers={"X-CSRFToken": page.token})
    assert answer.status_code == 200
    assert answer.json()["refresh"] is None
    assert page.cookies["refresh"].value != before


def test_a_foreign_page_cannot_sign_a_visitor_in(alice):
    verified(alice)
    for site in ("cross-site", "same-site"):
        answer = APIClient().post(
            f"{AUTH}/login",
            {"email": alice.email, "password": PASSWORDS["alice"], "cookies": True},
            headers={"Sec-Fetch-Site": site},
        )
        assert answer.status_code == 403
        assert not answer.cookies


def test_a_form_is_not_json(alice):
    verified(alice)
    form = {"email": alice.email, "password": PASSWORDS["alice"]}
    encoded = f"email={alice.email}&password=x"
    forms = Client()
    assert forms.post(f"{AUTH}/login", form).status_code == 415
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert forms.generic("POST", f"{AUTH}/login", encoded, content_type=kind).status_code == 415


def test_signing_out_takes_the_cookies_away(page):
    answer = page.post(f"{AUTH}/logout", headers={"X-CSRFToken": page.token})
    assert answer.status_code == 204
    assert (answer.cookies["access"].value, answer.cookies["refresh"].value) == ("", "")


def test_signing_out_everywhere_ends_keys_and_other_sessions(alice):
    client, other = program(alice), program(alice)
    key = client.post(f"{V1}/api-keys", {"name": "k", "scopes": ["read"], "days": 1}).json()["key"]
    assert client.post(f"{AUTH}/logout", {"everywhere": True}).status_code == 204
    assert {c.get(ME).status_code for c in (client, other, bearer(key))} == {401}


# --- sessions --------------------------------------------------------------------------------------------
def test_one_sees_and_ends_ones_own_sessions(alice, bob):
    client, other = program(alice), program(alice)
    program(bob)
    rows = client.get(f"{AUTH}/sessions").json()["results"]
    assert {row["sid"]: row["current"] for row in rows} == {
        str(client.pair.session.sid): True,
        str(other.pair.session.sid): False,
    }
    assert client.delete(f"{AUTH}/sessions/{other.pair.session.sid}").status_code == 204
    assert other.get(ME).status_code == 401
    assert client.get(ME).status_code == 200
