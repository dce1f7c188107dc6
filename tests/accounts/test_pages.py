"""Account pages: available to their owner, redirect visitors to the login, comply with the markup rules."""

import pytest

from tests.accounts import browser_client
from tests.test_design import Reader

ENTRANCE = ["/accounts/login/", "/accounts/signup/", "/accounts/recover/", "/accounts/link/"]
OWN = [
    "/account/",
    "/account/security/",
    "/account/password/",
    "/account/email/",
    "/account/totp/",
    "/account/passkeys/new/",
    "/account/sessions/",
    "/account/keys/",
    "/account/keys/new/",
    "/account/activity/",
    "/account/delete/",
    "/account/step-up/",
    "/accounts/logout/",
]
WITH_FACTOR = ["/account/totp/off/", "/account/recovery-codes/new/", "/account/recovery-codes/"]


@pytest.fixture
def signed_in(client, alice):
    browser_client.confirm(alice)
    browser_client.sign_in(client)
    return client


def read(answer):
    page = Reader()
    page.feed(answer.content.decode())
    return page


def faults(page):
    twice = [name for name, count in page.ids.items() if count > 1]
    bare = [
        field
        for field in page.fields
        if not (field.get("aria-label") or field["wrapped"] or field.get("id") in page.labelled)
    ]
    return {
        "inline": page.inline,
        "twice": twice,
        "bare": bare,
        "nameless": page.nameless,
        "main": page.ids["main"] != 1,
    }


CLEAN = {"inline": [], "twice": [], "bare": [], "nameless": [], "main": False}


@pytest.mark.parametrize("path", ENTRANCE)
def test_way_in_keeps_to_the_markup_rules(client, db, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert faults(read(answer)) == CLEAN
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", OWN)
def test_own_page_keeps_to_the_markup_rules(signed_in, path):
    answer = signed_in.get(path)
    assert answer.status_code == 200
    assert faults(read(answer)) == CLEAN


@pytest.mark.parametrize("path", WITH_FACTOR)
def test_page_of_a_second_factor_keeps_to_the_markup_rules(signed_in, alice, path):
    browser_client.totp_enable(alice)
    signed_in.post("/account/recovery-codes/new/")
    answer = signed_in.get(path)
    assert answer.status_code == 200
    assert faults(read(answer)) == CLEAN


@pytest.mark.parametrize("path", [*OWN[:-1], *WITH_FACTOR])
def test_visitor_is_asked_in_and_brought_back(client, db, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(("/accounts/login/?next=", "/account/step-up/?next="))
