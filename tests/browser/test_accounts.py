"""The account pages in a real browser, from sign-up to a revoked key."""

import os
import re
import urllib.error
import urllib.request
from email import message_from_string, policy
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher, make_password
from playwright.sync_api import Page, expect

from accounts.models import AuthSession, User
from tests.accounts import browser_client
from tests.browser.conftest import Server, Watched, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser")]

EMAIL, PASSWORD = "dora@example.org", "plum granite lantern"
WIDTHS = [360, 768, 1024, 1280, 1440, 1920]
DOORS = ["/accounts/login/", "/accounts/signup/", "/accounts/recover/"]
INSIDE = [
    "/account/",
    "/account/security/",
    "/account/password/",
    "/account/totp/",
    "/account/sessions/",
    "/account/keys/",
    "/account/keys/new/",
    "/account/activity/",
    "/account/step-up/",
]


def letters():
    """What the server mailed, oldest first."""
    files = sorted(Path(settings.EMAIL_FILE_PATH).glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    return [message_from_string(path.read_text(), policy=policy.default) for path in files]


def mailed_code(to: str, after: int) -> str:
    def look() -> str | None:
        for letter in letters()[after:]:
            if letter["To"] == to and (
                code := re.search(r"^Your code: (\d{6})$", letter.get_content(), re.MULTILINE)
            ):
                return code[1]
        return None

    return str(wait_until(look, f"a code for {to}"))


def sign_in(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.fixture
def dora(transactional_db: None) -> User:
    user = User(email=EMAIL, password=make_password(PASSWORD, hasher=BCryptSHA256PasswordHasher()))
    user.save()  # the server knows no other hasher
    browser_client.confirm(user)
    return user


def call(server: Server, path: str, key: str) -> int:
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_from_sign_up_to_a_revoked_key(page: Page, server: Server, market: object):
    email = "erin@example.org"
    before = len(letters())
    page.goto("/accounts/signup/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code, 6 digits").fill(mailed_code(email, before))
    page.get_by_role("button", name="Confirm").click()
    expect(page).to_have_url(f"{server.url}/market/")

    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Set up authenticator…").click()
    secret = page.locator("#totp-secret").inner_text().replace(" ", "")
    page.get_by_label("Code that it shows").fill(browser_client.totp_code(secret))
    page.get_by_role("button", name="Turn on authenticator").click()
    expect(page.locator("#codes li")).to_have_count(10)
    page.get_by_role("link", name="Codes saved, continue").click()
    expect(page.locator("#totp-state")).to_have_text("On")

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, email)
    page.get_by_label("Code from your authenticator").fill(browser_client.totp_code(secret))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{server.url}/market/")

    page.goto("/account/keys/")
    page.get_by_role("link", name="New key").click()
    page.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#key-secret").inner_text()
    assert key.startswith("ctk_")
    assert call(server, "/api/v1/me", key) == 200

    page.get_by_role("link", name="Key copied, continue").click()
    assert key not in page.content()
    page.get_by_role("button", name="Revoke the key laptop").click()
    expect(page.get_by_role("heading", name="No API keys yet")).to_be_visible()
    assert call(server, "/api/v1/me", key) == 401

    page.get_by_role("link", name="Activity").click()
    for action in ("user.signed_up", "totp.enabled", "api_key.created", "api_key.revoked"):
        expect(page.get_by_role("cell", name=action)).to_have_count(1)


def test_passkey_is_made_and_signs_in_alone(watched: Watched, server: Server, market: object, dora: User):
    home = server.url.replace("127.0.0.1", "localhost")  # a passkey belongs to a name, not to an address
    page = watched.context.new_page()
    devtools = watched.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    authenticator = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": authenticator})
    page.goto(f"{home}/accounts/login/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(f"{home}/market/")
    page.goto(f"{home}/account/passkeys/new/")
    page.get_by_label("Name").fill("This laptop")
    page.get_by_label("Allow sign-in without a password").check()
    page.get_by_role("button", name="Add passkey").click()
    expect(page.locator("#codes li")).to_have_count(10)
    page.goto(f"{home}/account/security/")
    expect(page.get_by_role("rowheader", name="This laptop")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{home}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{home}/market/")
    newest = AuthSession.objects.filter(user=dora).latest("created_at")
    assert newest.second_factor_at is not None
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{home}/accounts/login/")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Use passkey").click()
    expect(page).to_have_url(f"{home}/market/")


def test_passkeys_are_not_offered_at_an_address_without_a_name(page: Page, market: object, dora: User):
    sign_in(page)
    page.goto("/account/passkeys/new/")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_text("Passkeys need a host name.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()


def test_session_elsewhere_is_ended_without_leaving_the_page(
    page: Page, watched: Watched, market: object, dora: User
):
    sign_in(page)
    other = watched.context.browser.new_context(base_url=page.url)  # type: ignore[union-attr]
    elsewhere = other.new_page()
    sign_in(elsewhere)
    page.goto("/account/sessions/")
    page.evaluate("window.same = true")
    page.get_by_role("button", name="Sign out", exact=True).nth(1).click()
    expect(page.locator("#sessions tbody tr")).to_have_count(1)
    assert page.evaluate("window.same") is True
    elsewhere.goto("/account/")
    expect(elsewhere).to_have_url(re.compile("/accounts/login/"))
    other.close()


def test_wrong_password_keeps_the_address_and_is_announced(page: Page, watched: Watched, dora: User):
    sign_in(page, password="wrong wrong")
    expect(page.get_by_role("alert")).to_contain_text("E-mail and password do not match.")
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    watched.problems.clear()  # a browser logs every 422


def overflow(page: Page) -> list[str]:
    return list(
        page.evaluate(
            "() => { const wide = document.documentElement.clientWidth;"
            "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.table-scroll, .tabs')"
            " && e.getBoundingClientRect().right > wide + 1).map(e => e.outerHTML.slice(0, 90)) }"
        )
    )


def shoot(page: Page, path: str, width: int) -> None:
    """For a person to compare with the mocks: SHOTS=folder pytest tests/browser/test_accounts.py"""
    if folder := os.environ.get("SHOTS"):
        for theme in ("dark", "light"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            name = f"{path.strip('/').replace('/', '-')}-{width}-{theme}.png"
            page.screenshot(path=f"{folder}/{name}", full_page=True, animations="disabled")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_leaves_the_viewport(page: Page, market: object, dora: User, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    for path in DOORS:
        page.goto(path)
        assert overflow(page) == [], path
        shoot(page, path, width)
    sign_in(page)
    expect(page).to_have_url(re.compile("/market/$"))
    for path in INSIDE:
        page.goto(path)
        assert overflow(page) == [], path
        shoot(page, path, width)
