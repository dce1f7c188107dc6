"""Login pages: the same error for every cause, lockout per account and address, sessions, one-time links."""

import pytest
from axes.models import AccessAttempt
from django.core.management import call_command
from django.test import Client

from accounts.models import AuditEntry, AuthSession, User
from accounts.services import login_code_create, session_open
from tests.accounts import browser_client
from tests.accounts.browser_client import PASSWORD, sign_in

ATTACKER, HOME = {"REMOTE_ADDR": "203.0.113.7"}, {"REMOTE_ADDR": "198.51.100.20"}


@pytest.fixture
def alice(alice):
    return browser_client.confirm(alice)


def is_in(client):
    return client.get("/account/").status_code == 200


def test_right_password_opens_a_session(client, alice):
    assert sign_in(client).headers["Location"] == "/market/"
    assert is_in(client)
    session = AuthSession.objects.get(user=alice)
    assert session.step_up_at is not None
    assert session.second_factor_at is None


def test_login_and_session_are_recorded_once_each(client, alice):
    sign_in(client)
    session = AuthSession.objects.get(user=alice)
    entries = AuditEntry.objects.order_by("seq").values_list("action", "actor", "subject")
    subject = f"session:{session.sid}"
    assert list(entries) == [
        ("session.opened", alice.pk, subject),
        ("user.signed_in", alice.pk, subject),
    ]


def test_second_login_of_a_browser_opens_no_session(rf, client, alice):
    client.force_login(alice)
    session = AuthSession.objects.get(user=alice)
    request = rf.get("/")
    request.session = client.session
    assert session_open(user=alice, kind=AuthSession.Kind.WEB, request=request) == session
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions == ["session.opened", "user.signed_in", "user.signed_in"]


@pytest.mark.parametrize("spelling", ["ALICE@example.org", " alice@Example.ORG "])
def test_address_is_compared_without_regard_to_case(client, alice, spelling):
    assert sign_in(client, email=spelling).headers["Location"] == "/market/"


def test_sign_in_changes_the_session_key(client, alice):
    client.get("/accounts/login/")
    client.session["planted"] = True
    client.session.save()
    before = client.session.session_key
    sign_in(client)
    assert client.session.session_key != before


def test_fifth_wrong_password_locks_the_guesser_and_not_the_owner(client, alice):
    answers = [sign_in(client, password=f"wrong {n}", **ATTACKER).status_code for n in range(5)]
    assert answers == [422, 422, 422, 422, 429]
    locked = sign_in(client, **ATTACKER)  # with the right password
    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) == 900
    assert not is_in(client)
    owner = Client()
    assert sign_in(owner, **HOME).headers["Location"] == "/market/"


def test_lockout_hits_one_account(client, alice, bob):
    browser_client.confirm(bob)
    for n in range(6):
        sign_in(client, password=f"wrong {n}", **ATTACKER)
    answer = sign_in(client, email="bob@example.org", password="staple horse battery", **ATTACKER)
    assert answer.headers["Location"] == "/market/"


def test_spelling_and_browser_do_not_start_a_new_count(client, alice):
    spellings = [
        "alice@example.org",
        "Alice@example.org",
        "ALICE@EXAMPLE.ORG",
        "alice@example.ORG",
        "aLice@example.org",
    ]
    answers = [
        sign_in(client, email=email, password="wrong", HTTP_USER_AGENT=f"browser {n}", **ATTACKER).status_code
        for n, email in enumerate(spellings)
    ]
    assert answers[-1] == 429


def test_locked_out_guess_costs_no_hash(client, alice, monkeypatch):
    for n in range(5):
        sign_in(client, password=f"wrong {n}", **ATTACKER)
    monkeypatch.setattr(User, "check_password", lambda *_: pytest.fail("a password was compared"))
    monkeypatch.setattr(User, "set_password", lambda *_: pytest.fail("a password was hashed"))
    assert sign_in(client, **ATTACKER).status_code == 429


def test_success_forgives_earlier_failures(client, alice):
    for n in range(4):
        sign_in(client, password=f"wrong {n}", **HOME)
    sign_in(client, **HOME)
    assert not AccessAttempt.objects.exists()


def test_failures_keep_nothing_that_was_typed(client, alice):
    typed = {"login": alice.email, "password": "hunter2 hunter2", "csrfmiddlewaretoken": "a token"}
    client.post("/accounts/login/", typed)
    attempt = AccessAttempt.objects.get()
    assert not any(value in attempt.post_data for value in typed.values())


def test_failures_are_recorded_with_the_address(client, alice):
    for n in range(5):
        sign_in(client, password=f"wrong {n}", **ATTACKER)
    entries = AuditEntry.objects.order_by("seq").values_list("action", "subject", "address")
    assert [action for action, _, _ in entries] == ["user.sign_in_failed"] * 4 + ["user.locked_out"]
    assert {(subject, address) for _, subject, address in entries} == {
        ("email:alice@example.org", "203.0.113.7")
    }


def test_switched_off_account_is_turned_away(client, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    answer = sign_in(client, follow=True)
    assert "account is disabled" in answer.content.decode()
    assert not is_in(client)


def test_sign_out_ends_the_session_row(client, alice):
    sign_in(client)
    client.post("/accounts/logout/")
    assert not is_in(client)
    assert AuthSession.objects.get(user=alice).revoked_at is not None


def test_sign_out_requires_a_post(client, alice):
    sign_in(client)
    assert client.get("/accounts/logout/").status_code == 200
    assert is_in(client)


def test_unticked_box_means_until_the_browser_closes(client, alice):
    assert sign_in(client).cookies["session"]["max-age"] == ""
    remembered = client.__class__()
    remembered.post("/accounts/login/", {"login": alice.email, "password": PASSWORD, "remember": "on"})
    assert remembered.cookies["session"]["max-age"] == 14 * 24 * 3600


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_sign_in_never_leads_elsewhere(client, alice, target):
    answer = client.post(f"/accounts/login/?next={target}", {"login": alice.email, "password": PASSWORD})
    assert answer.headers["Location"] == "/market/"


def test_one_time_link_signs_in_once(client, alice):
    code = login_code_create(user=alice)
    assert client.post("/accounts/link/", {"code": code}).headers["Location"] == "/market/"
    assert is_in(client)
    assert AuthSession.objects.get(user=alice).step_up_at is None
    assert Client().post("/accounts/link/", {"code": code}).status_code == 422


def test_one_time_link_asks_for_the_second_factor(client, alice):
    browser_client.totp_enable(alice)
    answer = client.post("/accounts/link/", {"code": login_code_create(user=alice)})
    assert answer.headers["Location"] == "/accounts/login/second-factor/"
    assert not is_in(client)


def test_demo_trader_signs_in_by_password(client, db, settings, tmp_path, capsys):
    import json

    settings.VAR_DIR = tmp_path
    call_command("demo_trader", url="http://127.0.0.1:8000")
    capsys.readouterr()
    demo = json.loads((tmp_path / "demo.json").read_text())
    assert sign_in(client, email=demo["email"], password=demo["password"]).headers["Location"] == "/market/"
