"""Rate limits against a real server: exact counts, limit headers, no effect of forged headers."""

import asyncio
import contextlib
import json
import threading

import aiohttp
import pytest
import redis
from django.conf import settings as django_settings
from django.urls import get_resolver
from rest_framework_simplejwt.tokens import AccessToken
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from core import rate_limits
from core.rate_limits import RateLimitClass
from cryptotrade import rate_limit_middleware as middleware
from cryptotrade.rate_limit_routes import limit_class
from tests.stream.server import ServerThread

AT_ONCE = 200


@pytest.fixture(autouse=True)
def _nothing_counted():
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()


@pytest.fixture
def rule(settings):
    def rule(**rules):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **rules}

    return rule


@pytest.fixture
def server(transactional_db):
    with ServerThread() as running:
        yield running


async def statuses(url, *, method="GET", **options):
    """Status of each of 200 simultaneous requests."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one():
            async with session.request(method, url, **options) as answer:
                await answer.read()
                return answer.status

        return await asyncio.gather(*(one() for _ in range(AT_ONCE)))


# --- exactly n ------------------------------------------------------------------------------------------
async def test_page_lets_exactly_n_of_two_hundred_through(server, rule):
    rule(read="12/60")
    found = await statuses(f"{server.url}/accounts/login/")
    assert (found.count(200), found.count(429)) == (12, AT_ONCE - 12)


async def test_api_lets_exactly_n_of_two_hundred_through(server, rule):
    rule(read="12/60")
    found = await statuses(f"{server.url}/api/v1/venues")
    assert (found.count(200), found.count(429)) == (12, AT_ONCE - 12)


async def test_sign_in_lets_exactly_n_of_two_hundred_through(server, rule):
    rule(auth="10/60", auth_account="100/60")
    found = await statuses(f"{server.url}/accounts/login/", method="POST", data={"username": "a@b.c"})
    assert (len(found) - found.count(429), found.count(429)) == (10, AT_ONCE - 10)


async def test_programs_with_a_bad_credential_are_counted_by_address(server, rule):
    rule(read="12/60")
    bad = {"Authorization": "Bearer nonsense"}
    found = await statuses(f"{server.url}/api/v1/venues", headers=bad)
    assert (len(found) - found.count(429), found.count(429)) == (12, AT_ONCE - 12)


async def test_stream_lets_exactly_n_of_two_hundred_in(server, rule):
    rule(stream_connect="12/60")

    async def connect_once():
        async with connect(server.stream_url) as socket:
            with contextlib.suppress(ConnectionClosed):  # refused already: its error frame is to be read
                await socket.send('{"op":"ping"}')
            frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
            return frame.get("code") or frame["op"]

    found = await asyncio.gather(*(connect_once() for _ in range(AT_ONCE)))
    assert (found.count("pong"), found.count("rate_limited")) == (12, AT_ONCE - 12)


# --- limit headers and error bodies ---------------------------------------------------------------------
@pytest.mark.django_db
def test_headers_have_the_remaining_count_and_a_refusal_the_retry_time(client, rule):
    rule(read="2/60")
    first = client.get("/api/v1/venues")
    assert (first["X-RateLimit-Limit"], first["X-RateLimit-Remaining"]) == ("2", "1")
    client.get("/api/v1/venues")
    refused = client.get("/api/v1/venues")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) in (59, 60)
    assert refused["X-RateLimit-Remaining"] == "0"
    error = refused.json()["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert error["details"]["limit"] == 2
    assert error["request_id"] == refused["X-Request-ID"]


@pytest.mark.django_db
def test_page_of_a_refusal_shows_the_same_facts(client, rule):
    rule(read="1/60")
    client.get("/market/", headers={"accept": "text/html"})
    refused = client.get("/market/", headers={"accept": "text/html"})
    text = refused.content.decode()
    assert refused.status_code == 429
    assert "RATE_LIMIT_EXCEEDED" in text
    assert refused["X-Request-ID"] in text
    assert "Try again in" in text


def test_program_is_counted_by_its_user_wherever_it_is(client, alice, bob, rule):
    rule(read="2/60")

    def ask(user, address):
        token = AccessToken.for_user(user)
        answer = client.get(
            "/api/v1/nothing-here", headers={"authorization": f"Bearer {token}"}, REMOTE_ADDR=address
        )
        return answer.status_code

    assert [ask(alice, "192.0.2.1"), ask(alice, "192.0.2.1"), ask(bob, "192.0.2.1")] == [404, 404, 429]


def test_signed_in_people_are_counted_apart(client, alice, bob, rule):
    rule(read="1/60")
    client.force_login(alice)
    assert [client.get("/accounts/link/").status_code for _ in range(2)] == [200, 429]
    client.force_login(bob)
    assert client.get("/accounts/link/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(("proxies", "counted_apart"), [(0, False), (1, False), (2, False)])
def test_forged_forwarding_header_does_not_move_the_key(client, rule, settings, proxies, counted_apart):
    rule(read="3/60")
    settings.TRUSTED_PROXY_COUNT = proxies
    proxy_hops = ["203.0.113.9", "10.0.0.7"][:proxies]  # what our proxies append
    answers = [
        client.get(
            "/accounts/link/", headers={"x-forwarded-for": ", ".join([f"1.1.1.{n}", *proxy_hops])}
        ).status_code
        for n in range(5)
    ]
    assert answers == [200, 200, 200, 429, 429]


async def test_forged_forwarding_header_does_not_move_the_key_of_a_socket(server, rule):
    rule(stream_connect="3/60")
    answers = []
    for number in range(5):
        forged = {"X-Forwarded-For": f"1.1.1.{number}"}
        async with connect(server.stream_url, additional_headers=forged) as socket:
            with contextlib.suppress(ConnectionClosed):  # refused already: its error frame is to be read
                await socket.send('{"op":"ping"}')
            answers.append(json.loads(await socket.recv())["op"])
    assert answers == ["pong"] * 3 + ["error"] * 2


# --- without Redis --------------------------------------------------------------------------------------
@pytest.fixture
def no_redis(monkeypatch):
    def unavailable(**_):
        raise redis.ConnectionError

    monkeypatch.setattr(rate_limits, "_script", lambda: unavailable)


def test_without_redis_reading_goes_on_and_guessing_does_not(client, db, no_redis):
    assert client.get("/accounts/login/").status_code == 200
    refused = client.post("/accounts/login/", {"username": "a@b.c", "password": "x"})
    assert refused.status_code == 503
    assert refused["Retry-After"]
    assert client.post("/api/v1/orders").status_code == 503


def test_session_is_read_without_its_copy_in_redis(client, alice, settings):
    settings.CACHES = {
        **settings.CACHES,
        "sessions": {**settings.CACHES["sessions"], "LOCATION": "redis://127.0.0.1:1"},
    }
    client.force_login(alice)
    assert alice.email in client.get("/market/").content.decode()


# --- hashing slots --------------------------------------------------------------------------------------
def test_no_more_than_a_few_hash_at_once(monkeypatch):
    monkeypatch.setattr(middleware, "_HASHING", threading.BoundedSemaphore(2))
    monkeypatch.setattr(middleware, "WAITING_SECONDS", 0.01)
    with (
        middleware._hashing_slot() as one,
        middleware._hashing_slot() as two,
        middleware._hashing_slot() as three,
    ):
        assert (one, two, three) == (True, True, False)
    with middleware._hashing_slot() as again:
        assert again


def test_queue_for_hashing_is_bounded(monkeypatch):
    monkeypatch.setattr(middleware, "_WAITING", threading.BoundedSemaphore(1))
    middleware._WAITING.acquire()
    with middleware._hashing_slot() as acquired:
        assert not acquired


# --- the table ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "cls"),
    [
        ("GET", "/health", None),
        ("GET", "/market/", RateLimitClass.READ),
        ("POST", "/accounts/login/", RateLimitClass.AUTH),
        ("POST", "/accounts/login/second-factor/", RateLimitClass.AUTH),
        ("POST", "/accounts/verify/", RateLimitClass.AUTH),
        ("POST", "/accounts/signup/", RateLimitClass.MAIL_CODE),
        ("POST", "/accounts/recover/", RateLimitClass.MAIL_CODE),
        ("POST", "/accounts/recover/code/", RateLimitClass.AUTH),
        ("POST", "/account/email/", RateLimitClass.MAIL_CODE),
        ("POST", "/account/password/", RateLimitClass.AUTH),
        ("POST", "/accounts/logout/", RateLimitClass.WRITE),
        ("GET", "/accounts/login/", RateLimitClass.READ),
        ("POST", "/api/v1/auth/login", RateLimitClass.AUTH),
        ("POST", "/api/v1/auth/2fa/", RateLimitClass.AUTH),
        ("POST", "/api/v1/auth/refresh", RateLimitClass.WRITE),
        ("POST", "/api/v1/auth/signup", RateLimitClass.MAIL_CODE),
        ("POST", "/account/step-up/", RateLimitClass.STEP_UP),
        ("POST", "/api/v1/auth/step-up", RateLimitClass.STEP_UP),
        ("GET", "/account/export/", RateLimitClass.EXPORT),
        ("GET", "/api/v1/me/export", RateLimitClass.EXPORT),
        ("POST", "/api/v1/orders", RateLimitClass.ORDER),
        ("DELETE", "/api/v1/orders/7", RateLimitClass.ORDER),
        ("POST", "/orders/", RateLimitClass.ORDER),
        ("GET", "/api/v1/orders", RateLimitClass.READ),
        ("PATCH", "/api/v1/me", RateLimitClass.WRITE),
        ("DELETE", "/api/v1/auth/sessions/7", RateLimitClass.WRITE),
    ],
)
def test_table_of_classes(method, path, cls):
    assert limit_class(method, path) == cls


def test_every_route_that_changes_something_has_a_class():
    assert get_resolver().url_patterns
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert limit_class(method, "/whatever/comes/next/") is RateLimitClass.WRITE
