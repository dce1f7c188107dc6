"""Step-up: sensitive actions of pages and the API require recent authentication."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from accounts import totp_secrets
from accounts.models import AuditEntry, AuthSession
from accounts.services import SID
from accounts.step_up import STEP_UP_ACTIONS, step_up_required
from tests.accounts.auth_factories import PASSWORDS, browser, key_of, program, totp

STEP_UP = "/api/v1/auth/step-up"
KEYS = "/api/v1/api-keys"
WANTED = {"name": "k", "scopes": ["read"], "days": 1}


def set_age(client, seconds):
    AuthSession.objects.update(step_up_at=timezone.now() - timedelta(seconds=seconds))
    return client


def second_factor(user):
    secret = generate_totp_secret()
    sealed = totp_secrets.seal(secret, user=str(user.pk))
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": sealed})
    return secret


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("post", KEYS, WANTED),
        ("post", "/api/v1/auth/2fa", {}),
        ("put", "/api/v1/auth/2fa", {"code": "1"}),
        ("delete", "/api/v1/auth/2fa", {}),
    ],
)
def test_a_gated_act_of_the_api_is_refused_without_a_fresh_proof(alice, verb, path, body):
    response = getattr(program(alice, fresh=False), verb)(path, body)
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "REAUTH_REQUIRED"


def test_a_password_opens_gated_acts_for_ten_minutes(alice):
    client = program(alice, fresh=False)
    assert client.post(STEP_UP, {"password": PASSWORDS["alice"]}).json() == {"fresh_seconds": 600}
    assert client.post(KEYS, WANTED).status_code == 201
    assert set_age(client, 599).post(KEYS, WANTED).status_code == 201
    assert set_age(client, 601).post(KEYS, WANTED).status_code == 403


def test_a_code_opens_gated_acts_once(alice):
    secret = second_factor(alice)
    client = program(alice, fresh=False)
    code = totp(secret)
    assert client.post(STEP_UP, {"code": code}).status_code == 200
    assert client.post(KEYS, WANTED).status_code == 201
    assert AuthSession.objects.get().second_factor_at is not None
    assert client.post(STEP_UP, {"code": code}).status_code == 403


def test_recovery_code_confirms_the_api_client_and_is_recorded(alice):
    second_factor(alice)
    code = RecoveryCodes.activate(alice).get_unused_codes()[0]
    client = program(alice, fresh=False)
    assert client.post(STEP_UP, {"code": code}).status_code == 200
    entry = AuditEntry.objects.get(action="recovery_code.used")
    assert (entry.actor, entry.data) == (alice.pk, {"left": 9})


@pytest.mark.parametrize("proof", [{"password": "wrong"}, {"code": "000000"}], ids=str)
def test_wrong_credentials_confirm_nothing_and_are_recorded(alice, proof):
    client = program(alice, fresh=False)
    assert client.post(STEP_UP, proof).status_code == 403
    assert client.post(KEYS, WANTED).status_code == 403
    assert AuditEntry.objects.filter(action="step_up.failed", actor=alice.pk).count() == 1


@pytest.mark.parametrize("body", [{}, {"password": "a", "code": "b"}], ids=str)
def test_either_a_password_or_a_code_is_required(alice, body):
    assert program(alice).post(STEP_UP, body).status_code == 400


def test_code_of_another_user_is_refused(alice, bob):
    assert program(alice, fresh=False).post(STEP_UP, {"code": totp(second_factor(bob))}).status_code == 403


def test_guesses_are_counted_by_user_and_not_only_by_address(alice, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "step_up": "3/60"}
    statuses = [
        program(alice, fresh=False)
        .post(STEP_UP, {"password": "wrong"}, REMOTE_ADDR=f"192.0.2.{n}")
        .status_code
        for n in range(5)
    ]
    assert statuses == [403, 403, 403, 429, 429]


def test_a_step_up_belongs_to_its_session(alice):
    proven, other = program(alice), program(alice, fresh=False)
    assert proven.post(KEYS, WANTED).status_code == 201
    assert other.post(KEYS, WANTED).status_code == 403


def test_a_key_never_counts_as_proven(alice):
    _, secret = key_of(alice, ["read", "trade", "bots"])
    client = program(alice)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert client.post(KEYS, WANTED).status_code == 403


def test_a_browser_gets_a_new_session_key_with_its_proof(alice):
    page = browser(alice)
    before = page.session.session_key
    assert page.post(STEP_UP, {"password": PASSWORDS["alice"]}).status_code == 200
    assert page.cookies["session"].value != before
    assert page.post(KEYS, WANTED).status_code == 201


def test_an_act_outside_the_table_cannot_be_gated():
    with pytest.raises(KeyError):
        step_up_required("unknown.action")


def test_every_act_says_what_it_does():
    assert all(sentence[0].isupper() and not sentence.endswith(".") for sentence in STEP_UP_ACTIONS.values())


# --- pages -----------------------------------------------------------------------------------------------
@step_up_required("account.export")
def _export(request):
    return HttpResponse("everything")


@pytest.fixture
def page_request(alice, client):
    """`page_request(method, path, **headers)`: response of a gated page without recent authentication."""
    client.force_login(alice)

    def answer(method="get", path="/account/export/?all=1", **headers):
        request = getattr(RequestFactory(), method)(path, headers=headers)
        request.session, request.user, request.htmx = client.session, alice, HtmxDetails(request)
        return _export(request)

    return answer


def test_a_gated_page_redirects_to_step_up_and_back(page_request, client):
    answer = page_request()
    assert answer.status_code == 302
    assert answer.url == "/account/step-up/?next=%2Faccount%2Fexport%2F%3Fall%3D1&act=account.export"
    AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=timezone.now())
    assert page_request().content == b"everything"


def test_a_form_leads_back_to_the_page_that_held_it(page_request):
    there = page_request("post", Referer="http://testserver/account/?tab=1")
    assert "next=%2Faccount%2F%3Ftab%3D1" in there.url
    for foreign in ("https://evil.example/account/", "http://testserver//evil.example", ""):
        assert "next=%2Faccount%2F&" in page_request("post", Referer=foreign).url


def test_htmx_redirects_the_whole_page(page_request):
    answer = page_request("post", **{"HX-Request": "true", "HX-Current-URL": "http://testserver/account/"})
    assert answer.headers["HX-Redirect"].startswith("/account/step-up/?next=%2Faccount%2F")


def test_a_visitor_is_never_fresh(db):
    request = RequestFactory().get("/account/export/")
    request.session, request.user, request.htmx = {}, AnonymousUser(), HtmxDetails(request)
    assert _export(request).status_code == 302
