"""TOTP: required at login, each code used once, seeds encrypted at rest, recovery codes."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts import totp_secrets
from accounts.models import AuditEntry, AuthSession
from accounts.services import recovery_codes
from tests.accounts import browser_client
from tests.accounts.browser_client import sign_in, totp_code

FACTOR = "/accounts/login/second-factor/"


@pytest.fixture
def alice(alice):
    return browser_client.confirm(alice)


def is_in(client):
    return client.get("/account/").status_code == 200


def setup_seed(client):
    """The seed shown by the setup page."""
    page = client.get("/account/totp/").content.decode()
    return page.split('id="totp-secret">')[1].split("<")[0].replace(" ", "")


def test_authenticator_is_set_up_with_its_first_code(client, alice):
    elsewhere = Client()
    sign_in(elsewhere)
    sign_in(client)
    secret = setup_seed(client)
    answer = client.post("/account/totp/", {"code": totp_code(secret)})
    assert answer.headers["Location"] == "/account/recovery-codes/"
    assert is_in(client)
    assert not is_in(elsewhere)
    assert AuditEntry.objects.filter(action="totp.enabled", actor=alice.pk).exists()


def test_wrong_first_code_turns_nothing_on(client, alice):
    sign_in(client)
    secret = setup_seed(client)
    wrong = f"{(int(totp_code(secret)) + 1) % 1_000_000:06}"
    answer = client.post("/account/totp/", {"code": wrong})
    assert answer.status_code == 422
    assert not Authenticator.objects.exists()


def test_sign_in_asks_for_the_code(client, alice):
    secret = browser_client.totp_enable(alice)
    assert sign_in(client).headers["Location"] == FACTOR
    assert not is_in(client)
    assert client.post(FACTOR, {"code": totp_code(secret)}).headers["Location"] == "/market/"
    assert is_in(client)
    session = AuthSession.objects.get(user=alice)
    assert session.second_factor_at is not None


def test_code_works_once_in_any_process(client, alice):
    secret = browser_client.totp_enable(alice)
    code = totp_code(secret)
    sign_in(client)
    client.post(FACTOR, {"code": code})
    cache.clear()  # the counter is stored in PostgreSQL, not in Redis
    other = Client()
    sign_in(other)
    assert other.post(FACTOR, {"code": code}).status_code == 422
    assert not is_in(other)
    assert other.post(FACTOR, {"code": totp_code(secret, ahead=1)}).headers["Location"] == "/market/"


def test_code_of_an_earlier_half_minute_ends_with_a_later_one(alice):
    secret = browser_client.totp_enable(alice)
    factor = Authenticator.objects.get(user=alice)
    assert factor.wrap().validate_code(totp_code(secret, ahead=1))
    assert not factor.wrap().validate_code(totp_code(secret))


@pytest.mark.parametrize("ahead", [-2, 2])
def test_code_of_another_minute_is_refused(alice, ahead):
    secret = browser_client.totp_enable(alice)
    assert not Authenticator.objects.get(user=alice).wrap().validate_code(totp_code(secret, ahead=ahead))


def test_of_two_concurrent_uses_of_a_code_one_succeeds(transactional_db, alice):
    secret = browser_client.totp_enable(alice)
    code = totp_code(secret)

    def bring(_):
        try:
            return Authenticator.objects.get(user=alice).wrap().validate_code(code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(bring, range(4))) == [False, False, False, True]


def test_guesses_from_many_addresses_add_up(client, alice):
    secret = browser_client.totp_enable(alice)
    wrong = f"{(int(totp_code(secret)) + 1) % 1_000_000:06}"
    for n in range(5):
        guesser = Client(REMOTE_ADDR=f"203.0.113.{n}")
        sign_in(guesser)
        guesser.post(FACTOR, {"code": wrong})
    last = Client(REMOTE_ADDR="203.0.113.99")
    sign_in(last)
    answer = last.post(FACTOR, {"code": totp_code(secret)})
    assert answer.status_code == 422
    assert "Wait five minutes" in answer.content.decode()


def test_recovery_codes_are_shown_once_and_each_works_once(client, alice):
    sign_in(client)
    secret = setup_seed(client)
    client.post("/account/totp/", {"code": totp_code(secret)})
    page = client.get("/account/recovery-codes/").content.decode()
    codes = [part.split("<")[0] for part in page.split("<li>")[1:] if part.split("<")[0].isdigit()]
    assert len(codes) == 10
    again = client.get("/account/recovery-codes/").content.decode()
    assert not any(code in again for code in codes)
    for expected in ("/market/", None):
        other = Client()
        sign_in(other)
        answer = other.post(FACTOR, {"code": codes[0]})
        assert answer.headers.get("Location") == expected


def test_recovery_code_is_recorded_at_login_and_at_step_up(client, alice):
    browser_client.totp_enable(alice)
    first, second, *_ = RecoveryCodes.activate(alice).generate_codes()
    sign_in(client)
    client.post(FACTOR, {"code": first})
    client.post("/account/step-up/", {"code": second, "act": "second_factor.change"})
    entries = AuditEntry.objects.filter(action="recovery_code.used").order_by("seq")
    assert [entry.data for entry in entries] == [{"left": 9}, {"left": 8}]
    assert {(entry.actor, entry.address) for entry in entries} == {(alice.pk, "127.0.0.1")}


def test_recovery_code_and_its_entry_are_one_transaction(client, alice, monkeypatch):
    browser_client.totp_enable(alice)
    codes = RecoveryCodes.activate(alice)
    code = codes.get_unused_codes()[0]

    def fail(**_):
        raise RuntimeError

    monkeypatch.setattr(recovery_codes, "record", fail)
    with pytest.raises(RuntimeError):
        codes.validate_code(code)
    assert code in RecoveryCodes(Authenticator.objects.get(pk=codes.instance.pk)).get_unused_codes()


def test_authenticator_is_disabled_after_step_up(client, alice):
    secret = browser_client.totp_enable(alice)
    sign_in(client)
    client.post(FACTOR, {"code": totp_code(secret)})
    AuthSession.objects.update(step_up_at=None)
    assert client.post("/account/totp/off/").headers["Location"].startswith("/account/step-up/")
    credentials = {
        "code": totp_code(secret, ahead=1),
        "next": "/account/totp/off/",
        "act": "second_factor.change",
    }
    assert client.post("/account/step-up/", credentials).headers["Location"] == "/account/totp/off/"
    client.post("/account/totp/off/")
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.filter(action="totp.disabled").exists()


# --- seeds at rest -----------------------------------------------------------------------------------
def stored(user):
    return json.dumps(list(Authenticator.objects.filter(user=user).values_list("data", flat=True)))


def test_seeds_are_sealed_in_the_database(client, alice):
    sign_in(client)
    secret = setup_seed(client)
    client.post("/account/totp/", {"code": totp_code(secret)})
    assert secret not in stored(alice)
    assert f":{alice.pk}:" in stored(alice)


def test_sealed_text_opens_again_and_differs_each_time(db, alice):
    one, two = (totp_secrets.seal("JBSWY3DP", user=str(alice.pk)) for _ in range(2))
    assert one != two
    assert totp_secrets.unseal(one) == totp_secrets.unseal(two) == "JBSWY3DP"


def test_seed_moved_to_another_users_row_is_refused(alice, bob):
    """An attacker with write access to the table replaces alice's seed by another one."""
    secret = browser_client.totp_enable(bob)
    mine = Authenticator.objects.get(user=bob)
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data=dict(mine.data))
    mine.delete()
    with pytest.raises(totp_secrets.DecryptionError):
        Authenticator.objects.get(user=alice).wrap().validate_code(totp_code(secret))


@pytest.mark.parametrize("part", range(4))
def test_changed_seal_is_refused(alice, bob, part):
    words = totp_secrets.seal("JBSWY3DP", user=str(alice.pk)).split(":")
    words[part] = {0: "2", 1: "00000000", 2: str(bob.pk), 3: words[3][:-6] + "AAAAA="}[part]
    with pytest.raises(totp_secrets.DecryptionError):
        totp_secrets.unseal(":".join(words))


def test_keys_rotate(settings, alice):
    settings.MFA_KEY = "old"
    sealed = totp_secrets.seal("JBSWY3DP", user=str(alice.pk))
    settings.MFA_KEY = "new,old"
    assert totp_secrets.unseal(sealed) == "JBSWY3DP"
    assert totp_secrets.seal("JBSWY3DP", user=None).split(":")[1] != sealed.split(":")[1]
    settings.MFA_KEY = "new"
    with pytest.raises(totp_secrets.DecryptionError):
        totp_secrets.unseal(sealed)


def test_recovery_seed_is_sealed_too(alice):
    RecoveryCodes.activate(alice)
    assert Authenticator.objects.get(user=alice).data["seed"].startswith("1:")
