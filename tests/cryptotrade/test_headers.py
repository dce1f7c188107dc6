"""Security headers of all responses, and CORS."""

import pytest
from django.conf import settings as django_settings

from tests.cryptotrade.routes import routes

EXPECTED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DIRECTIVES = ("default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")


ODD = (
    "/nothing-here",
    "/api/v1/nothing-here",
    "/static/css/app.css",
    "/static/nothing.css",
    "/admin/nothing/",
)


def check(answer):
    for name, value in EXPECTED.items():
        assert answer[name] == value, name
    assert "camera=()" in answer["Permissions-Policy"]
    policy = answer["Content-Security-Policy"]
    for directive in DIRECTIVES:
        assert directive in policy
    assert answer["X-Request-ID"]
    answer.close()  # a static file stays open until it is sent


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*routes(), *ODD])
def test_every_response_has_the_headers(client, path):
    client.raise_request_exception = False
    for answer in (client.get(path), client.post(path), client.options(path)):
        check(answer)
        if not path.startswith("/admin/"):
            assert "unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_errors_of_our_own_have_the_headers_too(client, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("hunter2")

    monkeypatch.setattr("market.selectors.market_table", fail)
    client.raise_request_exception = False
    answer = client.get("/market/", headers={"accept": "text/html"})
    assert answer.status_code == 500
    check(answer)
    assert "hunter2" not in answer.content.decode()


@pytest.mark.django_db
def test_bad_host_has_the_headers_too(client):
    answer = client.get("/market/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    check(answer)


def test_production_asks_for_https_for_a_year(client, settings):
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 365 * 24 * 3600, True
    answer = client.get("/health", secure=True)
    assert answer["Strict-Transport-Security"].startswith("max-age=31536000; includeSubDomains")


def test_what_is_yours_stays_in_no_cache(client, alice):
    assert "Cache-Control" not in client.get("/market/")
    client.force_login(alice)
    assert client.get("/market/")["Cache-Control"] == "private, no-store"


# --- other origins --------------------------------------------------------------------------------------
LISTED = "https://app.example.org"


@pytest.fixture
def listed(settings):
    settings.CORS_ALLOWED_ORIGINS = [LISTED]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://app.example.org",
        "https://app.example.org:8443",
        "https://app.example.org.evil.example",
        "https://evilapp.example.org",
        "https://sub.app.example.org",
        "https://app.example.org@evil.example",
    ],
)
def test_unlisted_origin_is_given_nothing(client, listed, origin):
    for answer in (
        client.get("/api/v1/venues", headers={"origin": origin}),
        client.options("/api/v1/venues", headers={"origin": origin, "access-control-request-method": "POST"}),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert "origin" in answer["Vary"].lower()


@pytest.mark.django_db
def test_listed_origin_may_call_with_cookies(client, listed):
    answer = client.get("/api/v1/venues", headers={"origin": LISTED})
    assert answer["Access-Control-Allow-Origin"] == LISTED
    assert answer["Access-Control-Allow-Credentials"] == "true"
    assert "x-ratelimit-remaining" in answer["Access-Control-Expose-Headers"]
    preflight = client.options(
        "/api/v1/venues", headers={"origin": LISTED, "access-control-request-method": "POST"}
    )
    assert "idempotency-key" in preflight["Access-Control-Allow-Headers"]


@pytest.mark.django_db
def test_pages_are_for_no_other_origin(client, listed):
    answer = client.get("/accounts/login/", headers={"origin": LISTED})
    assert "Access-Control-Allow-Origin" not in answer


def test_no_origin_is_listed_by_default():
    assert django_settings.CORS_ALLOWED_ORIGINS == []
    assert not getattr(django_settings, "CORS_ALLOW_ALL_ORIGINS", False)
