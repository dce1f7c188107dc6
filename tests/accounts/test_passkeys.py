"""Passkeys, server side; tests/browser/test_accounts.py creates and uses a real one."""

import html
import json
import re

import pytest
from allauth.mfa.models import Authenticator

from tests.accounts import browser_client

JUNK = [
    "",
    "nothing",
    "{}",
    '{"id": "x"}',
    '{"id": 1, "rawId": "AA", "type": "public-key", "response": {}}',
    "[]",
    "1",
]


@pytest.fixture
def signed_in(client, alice):
    browser_client.confirm(alice)
    browser_client.sign_in(client)
    return client


def options(page):
    return json.loads(html.unescape(re.search(r'data-options="([^"]*)"', page)[1]))["publicKey"]


def test_options_to_make_one_come_with_the_form(signed_in, alice):
    made = options(signed_in.get("/account/passkeys/new/").content.decode())
    assert made["rp"] == {"id": "testserver", "name": "CryptoTrade"}
    assert made["user"]["name"] == alice.email
    assert len(made["challenge"]) >= 40


def test_each_page_has_its_own_challenge(signed_in):
    one, two = (options(signed_in.get("/account/passkeys/new/").content.decode()) for _ in range(2))
    assert one["challenge"] != two["challenge"]


@pytest.mark.parametrize("credential", JUNK)
def test_junk_is_refused_when_adding(signed_in, credential):
    answer = signed_in.post("/account/passkeys/new/", {"name": "x", "credential": credential})
    assert answer.status_code == 422
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("credential", JUNK)
def test_junk_is_refused_when_signing_in(client, db, credential):
    client.get("/accounts/login/passkey/", headers={"accept": "application/json"})
    answer = client.post("/accounts/login/passkey/", {"credential": credential})
    assert answer.headers["Location"] == "/accounts/login/"
    assert client.get("/account/").status_code == 302


def test_challenge_for_signing_in_names_no_user(client, db):
    answer = client.get("/accounts/login/passkey/", headers={"accept": "application/json"})
    options_sent = answer.json()["request_options"]["publicKey"]
    assert not options_sent.get("allowCredentials")
    assert options_sent["userVerification"] == "required"


def test_passkey_of_another_user_cannot_be_removed(signed_in, bob):
    foreign = Authenticator.objects.create(user=bob, type=Authenticator.Type.WEBAUTHN, data={"name": "b"})
    assert signed_in.post(f"/account/passkeys/{foreign.pk}/remove/").status_code == 404
    assert Authenticator.objects.filter(pk=foreign.pk).exists()
