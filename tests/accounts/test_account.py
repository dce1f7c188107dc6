"""Account pages: profile, export, deletion, step-up, sessions, API keys, activity; isolation of users."""

import json
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import audit
from accounts.domain.user_agents import describe_user_agent
from accounts.models import ApiKey, AuditEntry, AuthSession, User
from accounts.selectors import api_key_find
from accounts.services import api_key_create, session_open
from tests.accounts import browser_client
from tests.accounts.browser_client import PASSWORD, sign_in, totp_code


@pytest.fixture
def signed_in(client, alice):
    browser_client.confirm(alice)
    sign_in(client)
    return client


@pytest.fixture
def stale(signed_in):
    """A client that authenticated last eleven minutes ago."""
    AuthSession.objects.update(step_up_at=timezone.now() - timedelta(minutes=11))
    return signed_in


def key_make(user, name="trading script"):
    return api_key_create(user=user, name=name, scopes=["read"], days=7)


# --- profile -----------------------------------------------------------------------------------------
def test_name_is_changed_and_nothing_else(signed_in, alice):
    signed_in.post("/account/", {"name": "Alice A.", "is_staff": "on", "email": "root@example.org"})
    alice.refresh_from_db()
    assert (alice.name, alice.is_staff, alice.email) == ("Alice A.", False, "alice@example.org")
    assert AuditEntry.objects.filter(action="user.changed", actor=alice.pk).exists()


def test_new_address_counts_once_its_code_is_entered(signed_in, alice):
    signed_in.post("/account/email/", {"email": "Alice@new.example", "action_add": ""})
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"
    (message,) = mail.outbox
    assert message.to == ["alice@new.example"]
    signed_in.post("/accounts/verify/", {"code": browser_client.code_in(message), "action": "verify"})
    alice.refresh_from_db()
    assert alice.email == "alice@new.example"
    assert EmailAddress.objects.get(user=alice).email == "alice@new.example"
    assert mail.outbox[-1].to == ["alice@example.org"]  # a notification to the old address
    assert sign_in(Client(), email="alice@new.example").headers["Location"] == "/market/"
    assert sign_in(Client()).status_code == 422


def test_address_of_another_user_cannot_be_taken(signed_in, alice, bob):
    browser_client.confirm(bob)
    signed_in.post("/account/email/", {"email": "bob@example.org", "action_add": ""})
    code = browser_client.code_in(mail.outbox[-1])
    answer = signed_in.post("/accounts/verify/", {"code": code, "action": "verify"})
    assert answer.status_code == 422
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


# --- export and deletion -----------------------------------------------------------------------------
def test_export_holds_everything_and_opens_nothing(signed_in, alice, bob):
    secret = browser_client.totp_enable(alice)
    key, key_secret = key_make(alice)
    key_make(bob, name="bob's")
    answer = signed_in.post("/account/export/")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    exported = json.loads(answer.content)
    assert exported["profile"]["email"] == alice.email
    assert [row["name"] for row in exported["api_keys"]] == ["trading script"]
    assert exported["second_factors"][0]["type"] == "totp"
    assert exported["sessions"]
    assert "user.signed_in" in {row["action"] for row in exported["audit"]}
    alice.refresh_from_db()
    for secret_text in (secret, key_secret, key.digest, alice.password, "bob"):
        assert secret_text not in answer.content.decode()
    assert AuditEntry.objects.filter(action="user.exported", actor=alice.pk).exists()


def test_export_is_no_get(signed_in):
    assert signed_in.get("/account/export/").status_code == 405


def test_delete_removes_the_person_and_keeps_the_trail(signed_in, alice):
    _, key_secret = key_make(alice)
    elsewhere = Client()
    sign_in(elsewhere)
    answer = signed_in.post("/account/delete/", {"email": "Alice@example.org"})
    assert answer.headers["Location"] == "/"
    assert not User.objects.filter(pk=alice.pk).exists()
    assert signed_in.get("/account/").status_code == 302
    assert elsewhere.get("/account/").status_code == 302
    assert api_key_find(key_secret) is None
    assert AuditEntry.objects.filter(action="user.deleted", subject=f"user:{alice.pk}").exists()
    assert audit.verify() == []
    assert sign_in(Client()).status_code == 422


def test_delete_requires_the_address(signed_in, alice):
    assert signed_in.post("/account/delete/", {"email": "bob@example.org"}).status_code == 422
    assert User.objects.filter(pk=alice.pk).exists()


# --- step-up -----------------------------------------------------------------------------------------
GATED = [
    "/account/password/",
    "/account/email/",
    "/account/delete/",
    "/account/export/",
    "/account/totp/",
    "/account/recovery-codes/new/",
    "/account/passkeys/new/",
    "/account/keys/new/",
]


@pytest.mark.parametrize("path", GATED)
def test_sensitive_action_requires_recent_authentication(stale, path):
    answer = stale.post(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/account/step-up/?")


def test_password_confirms_the_identity(stale):
    step_up_url = stale.get("/account/keys/new/").headers["Location"]
    assert "Create an API key" in stale.get(step_up_url).content.decode()
    credentials = {"password": PASSWORD, "next": "/account/keys/new/", "act": "api_key.create"}
    assert stale.post("/account/step-up/", credentials).headers["Location"] == "/account/keys/new/"
    assert stale.get("/account/keys/new/").status_code == 200


def test_with_an_authenticator_only_its_code_confirms_the_identity(stale, alice):
    secret = browser_client.totp_enable(alice)
    assert stale.post("/account/step-up/", {"password": PASSWORD}).status_code == 422
    assert stale.post("/account/step-up/", {"code": totp_code(secret)}).status_code == 302


def test_wrong_password_is_refused_on_the_same_page(stale):
    answer = stale.post("/account/step-up/", {"password": "wrong", "next": "/account/keys/new/"})
    assert answer.status_code == 422
    assert 'value="/account/keys/new/"' in answer.content.decode()
    assert stale.get("/account/keys/new/").status_code == 302


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_step_up_never_redirects_to_another_site(stale, target):
    answer = stale.post("/account/step-up/", {"password": PASSWORD, "next": target})
    assert answer.headers["Location"] == "/account/security/"


# --- sessions ----------------------------------------------------------------------------------------
def sid_of(client):
    return client.session["sid"]


def test_one_session_is_ended_and_the_others_live(signed_in):
    first, second = Client(), Client()
    sign_in(first)
    sign_in(second)
    answer = signed_in.post(f"/account/sessions/{sid_of(first)}/revoke/")
    assert answer.headers["Location"] == "/account/sessions/"
    assert [client.get("/account/").status_code for client in (first, second, signed_in)] == [302, 200, 200]


def test_htmx_gets_only_the_list(signed_in):
    other = Client()
    sign_in(other)
    answer = signed_in.post(f"/account/sessions/{sid_of(other)}/revoke/", headers={"hx-request": "true"})
    assert answer.content.decode().lstrip().startswith('<section class="panel" id="sessions"')
    assert sid_of(other) not in answer.content.decode()


def test_all_others_are_ended(signed_in, alice, rf):
    other = Client()
    sign_in(other)
    program = session_open(user=alice, kind="api", request=rf.get("/"))
    signed_in.post("/account/sessions/others/revoke/")
    assert other.get("/account/").status_code == 302
    assert signed_in.get("/account/").status_code == 200
    program.refresh_from_db()
    assert program.revoked_at is not None


def test_session_of_another_user_is_not_found(signed_in, bob, rf):
    foreign = session_open(user=bob, kind="api", request=rf.get("/"))
    assert signed_in.post(f"/account/sessions/{foreign.sid}/revoke/").status_code == 404
    foreign.refresh_from_db()
    assert foreign.revoked_at is None


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox 145 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
            "Edge 140 on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) Version/18.4 Mobile Safari/604.1",
            "Safari 18 on iPhone",
        ),
        ("curl/8.9.1", "curl/8.9.1"),
        ("Chrome/x", "Chrome"),
        ("", "Unknown client"),
    ],
)
def test_browser_is_named_in_words(agent, words):
    assert describe_user_agent(agent) == words


# --- keys --------------------------------------------------------------------------------------------
def test_key_is_shown_once(signed_in, alice):
    answer = signed_in.post(
        "/account/keys/new/", {"name": "trading script", "scopes": ["read", "trade"], "days": "30"}
    )
    assert "no-store" in answer.headers["Cache-Control"]
    secret = answer.content.decode().split('id="key-secret">')[1].split("<")[0]
    key = ApiKey.objects.get(user=alice)
    assert api_key_find(secret) == key
    assert key.scopes == ["read", "trade"]
    assert secret not in signed_in.get("/account/keys/").content.decode()
    assert secret not in json.dumps(list(ApiKey.objects.values()), default=str)


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "scopes": ["read"], "days": "30"},
        {"name": "x", "days": "30"},
        {"name": "x", "scopes": ["withdraw"], "days": "30"},
        {"name": "x", "scopes": ["read"], "days": "36500"},
    ],
)
def test_incomplete_key_is_refused(signed_in, form):
    assert signed_in.post("/account/keys/new/", form).status_code == 422
    assert not ApiKey.objects.exists()


def test_revoked_key_leaves_the_list(signed_in, alice):
    key, secret = key_make(alice)
    page = signed_in.post(f"/account/keys/{key.pk}/revoke/", headers={"hx-request": "true"})
    assert "No API keys yet" in page.content.decode()
    assert api_key_find(secret) is None


def test_key_of_another_user_is_not_found(signed_in, bob):
    key, secret = key_make(bob)
    assert signed_in.post(f"/account/keys/{key.pk}/revoke/").status_code == 404
    assert api_key_find(secret) == key


def test_names_are_inert(signed_in, alice):
    key_make(alice, name='<x hx-get="/evil">')
    page = signed_in.get("/account/keys/").content.decode()
    assert "<x " not in page


# --- activity ----------------------------------------------------------------------------------------
def test_trail_shows_ones_own_newest_first_and_turns_pages(signed_in, alice, bob):
    audit.record(action="user.changed", actor=bob, subject=f"user:{bob.pk}")
    for _ in range(60):
        audit.record(action="user.exported", actor=alice, subject=f"user:{alice.pk}")
    page = signed_in.get("/account/activity/").content.decode()
    assert page.count("user.exported") == 50
    assert "user.changed" not in page
    older = page.split('href="?before=')[1].split('"')[0]
    rest = signed_in.get(f"/account/activity/?before={older}").content.decode()
    assert rest.count("user.exported") == 10
    assert "user.signed_in" in rest


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "%00"])
def test_trail_survives_odd_pages(signed_in, before):
    assert signed_in.get(f"/account/activity/?before={before}").status_code == 200
