"""Password recovery by a mailed code and password change: both revoke all other credentials."""

import time

import pytest
from django.core import mail
from django.test import Client

from accounts.models import AuditEntry, AuthSession, User
from accounts.selectors import api_key_find, session_find
from accounts.services import api_key_create
from tests.accounts import browser_client
from tests.accounts.browser_client import NEW_PASSWORD, PASSWORD, code_in, sign_in

CODE, SET = "/accounts/recover/code/", "/accounts/recover/password/"


@pytest.fixture
def alice(alice):
    return browser_client.confirm(alice)


def is_in(client):
    return client.get("/account/").status_code == 200


def ask(client, email="alice@example.org"):
    answer = client.post("/accounts/recover/", {"email": email})
    assert answer.headers["Location"] == CODE


def recover(client, password=NEW_PASSWORD):
    ask(client)
    assert client.post(CODE, {"code": code_in(mail.outbox[-1])}).headers["Location"] == SET
    return client.post(SET, {"password1": password})


def test_code_sets_a_new_password_and_does_not_sign_in(client, alice):
    assert recover(client).headers["Location"] == "/accounts/login/"
    assert not is_in(client)
    assert sign_in(client).status_code == 422
    assert sign_in(client, password=NEW_PASSWORD).headers["Location"] == "/market/"
    assert AuditEntry.objects.filter(action="password.reset", actor=alice.pk).exists()


def test_request_of_a_code_is_recorded_for_the_account(client, alice):
    ask(client)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("password.reset_requested", None)
    assert (entry.subject, entry.address) == (f"user:{alice.pk}", "127.0.0.1")


def test_request_for_an_unknown_address_leaves_no_entry(client, alice):
    ask(client, "unknown@example.org")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    ask(Client())
    assert not AuditEntry.objects.exists()
    User.objects.filter(pk=alice.pk).update(is_active=True)
    ask(Client())
    assert AuditEntry.objects.get().seq == 1


def test_new_password_by_code_ends_sessions_and_keys(client, alice):
    elsewhere = Client()
    sign_in(elsewhere)
    _, secret = api_key_create(user=alice, name="trading script", scopes=["read"], days=7)
    recover(client)
    assert not is_in(elsewhere)
    assert api_key_find(secret) is None
    assert not AuthSession.objects.filter(revoked_at=None).exists()


def test_second_factor_survives_recovery(client, alice):
    browser_client.totp_enable(alice)
    recover(client)
    answer = sign_in(client, password=NEW_PASSWORD)
    assert answer.headers["Location"] == "/accounts/login/second-factor/"
    assert not is_in(client)


def test_code_works_once_and_three_tries_are_all(client, alice):
    recover(client)
    code = code_in(mail.outbox[0])
    assert client.post(CODE, {"code": code}).headers["Location"] == "/accounts/login/"
    other = Client()
    ask(other)
    right = code_in(mail.outbox[-1])
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    assert [other.post(CODE, {"code": wrong}).status_code for _ in range(3)] == [422, 422, 302]
    assert other.post(CODE, {"code": right}).headers["Location"] == "/accounts/login/"


def test_code_ends_after_ten_minutes(client, alice, monkeypatch):
    ask(client)
    now = time.time()
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: now + 610)
    answer = client.post(CODE, {"code": code_in(mail.outbox[0])})
    assert answer.headers["Location"] == "/accounts/login/"


def test_password_cannot_be_set_without_the_code(client, alice):
    ask(client)
    assert client.post(SET, {"password1": NEW_PASSWORD}).headers["Location"] == CODE
    assert alice.check_password(PASSWORD)


def test_weak_new_password_is_refused(client, alice):
    assert recover(client, password="password123").status_code == 422


def test_mails_to_one_box_are_counted(client, alice):
    for _ in range(3):
        ask(Client())
    answer = Client().post("/accounts/recover/", {"email": "alice@example.org"})
    assert answer.status_code == 429
    assert len(mail.outbox) == 3


# --- change while signed in ------------------------------------------------------------------------
def change(client, old=PASSWORD, new=NEW_PASSWORD):
    return client.post("/account/password/", {"oldpassword": old, "password1": new})


def test_change_keeps_this_browser_and_ends_the_others(client, alice):
    elsewhere = Client()
    sign_in(elsewhere)
    sign_in(client)
    _, secret = api_key_create(user=alice, name="trading script", scopes=["read"], days=7)
    assert change(client).headers["Location"] == "/account/security/"
    assert is_in(client)
    assert session_find(client.session["sid"]) is not None
    assert session_find(elsewhere.session["sid"]) is None
    assert not is_in(elsewhere)
    assert api_key_find(secret) is None
    assert "changed" in mail.outbox[-1].subject
    assert AuditEntry.objects.filter(action="password.changed", actor=alice.pk).exists()


def test_change_requires_the_current_password(client, alice):
    sign_in(client)
    answer = change(client, old="wrong")
    assert answer.status_code == 422
    assert "Incorrect current password." in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_change_requires_recent_authentication(client, alice):
    sign_in(client)
    AuthSession.objects.update(step_up_at=None)
    assert change(client).headers["Location"].startswith("/account/step-up/")
