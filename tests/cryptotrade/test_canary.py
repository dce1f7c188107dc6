"""Canary tests: random secrets are sent to every route and then searched in all logs, tables and pages."""

import io
import json
import logging
import secrets

import pytest
import redis
from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import AuthSession, User
from accounts.services import SID
from cryptotrade.logging import JsonFormatter
from tests.accounts import auth_factories, browser_client
from tests.cryptotrade.routes import routes
from tests.market import factories

SECRET_FIELDS = (
    "password", "password1", "password2", "oldpassword", "new_password", "current_password", "code", "totp",
    "token", "refresh", "access", "secret", "api_key", "private_key", "credential", "recovery_code", "otp",
)  # fmt: skip
EMAIL = "alice@example.org"
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def logged():
    """Returns the formatted log output."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield stream.getvalue
    logging.getLogger().removeHandler(handler)


def stored():
    """Every row of every table, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            yield from (f"{table}: {row}" for (row,) in cursor.fetchall())


def remembered():
    """Every key and value in Redis."""
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    for key in client.scan_iter():
        yield f"{key!r}: {client.dump(key)!r}"


def mailed():
    return (f"{message.subject}\n{message.body}" for message in mail.outbox)


def leaks(marker, logged, *, shown=()):
    """The places in which the marker was found."""
    places = {
        "logs": [logged()],
        "database": stored(),
        "redis": remembered(),
        "mail": mailed(),
        "pages": shown,
    }
    return {
        name: [text[:300] for text in texts if marker in text][:3]
        for name, texts in ((name, list(texts)) for name, texts in places.items())
        if any(marker in text for text in texts)
    }


def _shapes():
    word = secrets.token_hex(8)
    return {
        "word": f"Canary-{word}",
        "key": secrets.token_hex(32),
        "api_key": f"ctk_{word}{word}",
        "token": f"eyJhbGciOiJIUzI1NiJ9.eyJ{word}.{word}",
    }


@pytest.fixture
def visitor_of(db):
    """A client that is signed in with recent authentication, or anonymous."""

    def visitor_of(signed_in):
        client = Client(raise_request_exception=False)
        if signed_in:
            user = User.objects.filter(email=EMAIL).first() or User.objects.create_user(EMAIL, "x")
            client.force_login(browser_client.confirm(user))
            now = timezone.now()
            AuthSession.objects.filter(sid=client.session[SID]).update(step_up_at=now, second_factor_at=now)
        return client

    return visitor_of


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.parametrize("shape", ["word", "key", "api_key", "token"])
@pytest.mark.parametrize("signed_in", [False, True], ids=["visitor", "signed in"])
def test_secret_sent_to_every_route_stays_nowhere(visitor_of, logged, shape, signed_in):
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()
    factories.market_make()
    marker = _shapes()[shape]
    fields = {
        **dict.fromkeys(SECRET_FIELDS, marker),
        "login": "alice@example.org",
        "email": "alice@example.org",
    }
    headers = {
        "authorization": f"Bearer {marker}",
        "x-csrftoken": marker,
        "accept": "text/html,application/json",
    }
    client, shown = visitor_of(signed_in), []
    for number, path in enumerate(routes()):
        if signed_in and "_auth_user_id" not in client.session:
            client = visitor_of(signed_in)
        client.cookies["access"] = client.cookies["refresh"] = marker
        method = METHODS[number % len(METHODS)]
        for sent in (method, "post"):
            body = {"data": json.dumps(fields), "content_type": "application/json"}
            if not path.startswith("/api/") and sent == "post":
                body = {"data": fields}
            answer = getattr(client, sent)(path, headers=headers, **({} if sent == "get" else body))
            shown.append(f"{sent} {path}: {answer.getvalue().decode(errors='replace')}")
            # No feed runs here, which /ready reports as 503.
            assert answer.status_code < 500 or path == "/ready", (sent, path)
    assert len(shown) > 100
    assert leaks(marker, logged, shown=shown) == {}


# Tables that reading updates on purpose: time of the last visit.
VISITS = ("django_session", "accounts_authsession")


@pytest.mark.parametrize("signed_in", [False, True], ids=["visitor", "signed in"])
def test_reading_changes_nothing(visitor_of, signed_in):
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()
    factories.market_make()
    client = visitor_of(signed_in)
    client.get("/market/")
    before = sorted(row for row in stored() if not row.startswith(VISITS))
    for path in routes():
        client.get(path)
        client.head(path)
    assert sorted(row for row in stored() if not row.startswith(VISITS)) == before
    assert ("_auth_user_id" in client.session) is signed_in


def test_search_finds_what_is_there(alice, logged):
    """The search covers all places: a marker put into each is found there."""
    marker = f"Canary-{secrets.token_hex(8)}"
    logging.getLogger("tests").warning("found %s", marker)
    alice.name = marker
    alice.save()
    redis.Redis.from_url(django_settings.REDIS_URL).set("canary", marker)
    mail.outbox.append(mail.EmailMessage(marker, ""))
    assert set(leaks(marker, logged, shown=[marker])) == {"logs", "database", "redis", "mail", "pages"}
    redis.Redis.from_url(django_settings.REDIS_URL).delete("canary")


def test_credentials_that_we_make_are_kept_nowhere(alice, logged):
    """Tokens and keys are shown once. At most their hashes are stored."""
    pair = auth_factories.program(alice).pair
    _, secret = auth_factories.key_of(alice)
    client = auth_factories.bearer(secret)
    assert client.get("/api/v1/me").status_code == 200
    assert auth_factories.bearer(pair.access).get("/api/v1/me").status_code == 200
    for made in (pair.access, pair.refresh, secret):
        assert leaks(made, logged) == {}


def test_password_is_kept_nowhere(client, db, logged):
    marker = f"Canary {secrets.token_hex(8)}"
    browser_client.sign_up(client, password=marker)
    client.post("/accounts/verify/", {"code": browser_client.code_in(mail.outbox[-1])})
    browser_client.sign_in(client, "carol@example.org", marker)
    browser_client.sign_in(Client(), "carol@example.org", f"{marker}x")
    assert leaks(marker, logged) == {}


def test_seed_of_an_authenticator_is_sealed(alice, logged):
    seed = browser_client.totp_enable(alice)
    assert Authenticator.objects.filter(user=alice).exists()
    assert leaks(seed, logged) == {}
