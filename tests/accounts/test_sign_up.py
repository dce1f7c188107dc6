"""Sign-up: six-digit code, valid ten minutes, three attempts, one use, only in the requesting browser."""

import time

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher
from django.core import mail
from django.test import Client
from django.utils.module_loading import import_string

from accounts.models import AuditEntry, User
from tests.accounts import browser_client
from tests.accounts.browser_client import PASSWORD, code_in, sign_in, sign_up

VERIFY = "/accounts/verify/"


def verify(client, code):
    return client.post(VERIFY, {"code": code, "action": "verify"})


def is_in(client):
    return client.get("/account/").status_code == 200


def test_sign_up_mails_a_code_that_signs_in(client, transactional_db):
    answer = sign_up(client)
    assert answer.headers["Location"] == VERIFY
    assert not is_in(client)
    (letter,) = mail.outbox
    assert letter.to == ["carol@example.org"]
    answer = verify(client, code_in(letter))
    assert answer.headers["Location"] == "/market/"
    assert is_in(client)
    user = User.objects.get(email="carol@example.org")
    assert EmailAddress.objects.get(user=user).verified
    actions = list(AuditEntry.objects.filter(actor=user.pk).order_by("seq").values_list("action", flat=True))
    assert actions == ["user.signed_up", "user.verified", "session.opened", "user.signed_in"]


def test_code_of_another_browser_is_worth_nothing(client, db):
    sign_up(client)
    other_client = Client()
    sign_up(other_client, email="mallory@example.org")
    carols, mallorys = mail.outbox
    assert code_in(carols) != code_in(mallorys)  # one in a million: then run it again
    assert verify(other_client, code_in(carols)).status_code == 422
    assert verify(Client(), code_in(carols)).headers["Location"] == "/accounts/login/"


def test_third_wrong_code_is_the_last(client, db):
    sign_up(client)
    right = code_in(mail.outbox[0])
    wrong = f"{(int(right) + 1) % 1_000_000:06}"
    assert [verify(client, wrong).status_code for _ in range(3)] == [422, 422, 302]
    verify(client, right)
    assert not is_in(client)
    assert not EmailAddress.objects.get().verified


def test_code_works_once(client, db):
    sign_up(client)
    code = code_in(mail.outbox[0])
    verify(client, code)
    client.post("/accounts/logout/")
    assert verify(client, code).headers["Location"] == "/accounts/login/"
    assert not is_in(client)


@pytest.mark.parametrize(("seconds", "good"), [(590, True), (610, False)])
def test_code_ends_after_ten_minutes(client, db, monkeypatch, seconds, good):
    sign_up(client)
    now = time.time()
    monkeypatch.setattr("allauth.account.internal.flows.code_verification.time.time", lambda: now + seconds)
    verify(client, code_in(mail.outbox[0]))
    assert EmailAddress.objects.get().verified is good


def test_new_code_replaces_the_old(client, db):
    sign_up(client)
    client.post(VERIFY, {"action": "resend"})
    old, new = map(code_in, mail.outbox)
    if old != new:
        assert verify(client, old).status_code == 422
    assert verify(client, new).headers["Location"] == "/market/"


def test_unconfirmed_address_gets_a_code_at_sign_in_and_no_session(client, db):
    sign_up(client)
    later = Client()
    assert sign_in(later, email="carol@example.org").headers["Location"] == VERIFY
    assert not is_in(later)
    assert verify(later, code_in(mail.outbox[-1])).headers["Location"] == "/market/"


@pytest.mark.parametrize(
    "password", ["short7!", "password123", "iloveyou1", "carol@example.org", "11111111", "carol@example"]
)
def test_weak_password_is_refused_with_the_form(client, db, password):
    answer = sign_up(client, password=password)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'id="form-errors"' in page
    assert password not in page.replace("carol@example.org", "")
    assert not User.objects.exists()


def test_long_password_counts_to_its_last_letter(client, db, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]
    long = "long password of many words, more than bcrypt's seventy-two bytes; " * 2 + "end"
    sign_up(client, password=long)
    user = User.objects.get()
    assert user.password.startswith("bcrypt_sha256$")
    assert user.check_password(long)
    assert not user.check_password(long[:-1] + "x")


def test_two_sign_ups_at_once_leave_one_account(client, db, monkeypatch):
    """A concurrent sign-up inserts the account between the check of the address and the insert."""
    browser_client.confirm(User.objects.create_user("carol@example.org", PASSWORD))
    monkeypatch.setattr(
        "allauth.account.internal.flows.manage_email.assess_unique_email", lambda email, user=None: True
    )
    assert sign_up(client).headers["Location"] == VERIFY
    assert User.objects.count() == 1
    assert "already" in mail.outbox[-1].subject


def test_settings_use_bcrypt_first():
    from cryptotrade import settings as real

    assert issubclass(import_string(real.PASSWORD_HASHERS[0]), BCryptSHA256PasswordHasher)
