"""Error responses: the common error body for all statuses, on pages, in the API and on the websocket."""

import http.client
import json

import pytest
import redis
from django.db import OperationalError
from django.test import Client
from websockets.asyncio.client import connect

from tests.stream.server import ServerThread

FIELDS = {"code", "message", "request_id", "timestamp", "details"}
HTML = {"accept": "text/html"}
JSON = {"accept": "application/json"}


def shape(answer):
    """The error code of a JSON response, after a check of its shape."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == FIELDS
    assert body["error"]["request_id"] == answer["X-Request-ID"]
    return body["error"]["code"]


@pytest.fixture
def client(db):
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("get", "/api/v1/nothing-here", {}, 404, "NOT_FOUND"),
        ("get", "/api/v1/candles", {}, 400, "VALIDATION_ERROR"),
        ("post", "/api/v1/venues", {}, 405, "METHOD_NOT_ALLOWED"),
        ("post", "/health", {}, 405, "METHOD_NOT_ALLOWED"),
        ("post", "/market/", {}, 405, "METHOD_NOT_ALLOWED"),
        ("get", "/nothing-here", {}, 404, "NOT_FOUND"),
        ("get", "/market/", {"HTTP_HOST": "evil.example"}, 400, "VALIDATION_ERROR"),
        (
            "post",
            "/api/v1/venues",
            {"data": "x" * 1_100_000, "content_type": "text/plain"},
            413,
            "PAYLOAD_TOO_LARGE",
        ),
        (
            "post",
            "/accounts/login/",
            {"data": "x" * 1_100_000, "content_type": "text/plain"},
            413,
            "PAYLOAD_TOO_LARGE",
        ),
    ],
)
def test_every_refusal_has_the_shape(client, method, path, options, status, code):
    answer = getattr(client, method)(path, headers=JSON, **options)
    assert answer.status_code == status
    assert shape(answer) == code


@pytest.mark.parametrize("path", ["/nothing-here", "/market/hyperliquid-sim/NONE/"])
def test_page_shows_code_and_request_id(client, path):
    answer = client.get(path, headers=HTML)
    text = answer.content.decode()
    assert answer.status_code == 404
    assert answer["X-Request-ID"] in text
    assert "NOT_FOUND" in text


def test_wrong_method_of_a_page_is_a_page_and_names_the_right_ones(client):
    answer = client.delete("/market/", headers=HTML)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert "METHOD_NOT_ALLOWED" in answer.content.decode()


def test_expired_form_has_its_own_code(db):
    strict = Client(enforce_csrf_checks=True)
    assert shape(strict.post("/accounts/login/", headers=JSON)) == "CSRF_FAILED"
    page = strict.post("/accounts/login/", headers=HTML)
    assert page.status_code == 403
    assert "CSRF_FAILED" in page.content.decode()


@pytest.fixture
def broken(monkeypatch):
    def broken(error):
        def fail(*_, **__):
            raise error

        for name in ("market_table", "venue_states", "candles_before"):
            monkeypatch.setattr(f"market.selectors.{name}", fail)

    return broken


@pytest.mark.parametrize("path", ["/market/", "/api/v1/venues"])
def test_fault_of_ours_tells_nothing_of_it(client, broken, path):
    broken(RuntimeError("hunter2"))
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 500
    assert shape(answer) == "INTERNAL_ERROR"
    assert "hunter2" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/market/", "/api/v1/venues"])
@pytest.mark.parametrize("error", [OperationalError("gone"), redis.ConnectionError("gone")])
def test_outage_is_distinguished_from_a_server_error(client, broken, path, error):
    broken(error)
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 503
    assert shape(answer) == "SERVICE_UNAVAILABLE"


def test_page_of_an_outage_asks_the_database_nothing(client, broken, django_assert_num_queries):
    broken(OperationalError("gone"))
    with django_assert_num_queries(0):
        answer = client.get("/market/", headers=HTML)
    assert answer.status_code == 503
    assert "SERVICE_UNAVAILABLE" in answer.content.decode()


# --- bodies ---------------------------------------------------------------------------------------------
@pytest.fixture
def server(transactional_db):
    with ServerThread() as running:
        yield running


@pytest.mark.parametrize("chunked", [False, True])
def test_large_body_is_refused_before_it_is_stored(server, chunked):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = (b"x" * 65536 for _ in range(64))
    if chunked:
        connection.request(
            "POST", "/api/v1/venues", body, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
    else:
        connection.request("POST", "/api/v1/venues", b"x" * 4_000_000)
    answer = connection.getresponse()
    message = json.loads(answer.read())
    connection.close()
    assert (answer.status, message["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert answer.getheader("Content-Security-Policy")


async def test_socket_says_errors_in_one_shape(server):
    async with connect(server.stream_url) as socket:
        for frame in (
            "nonsense",
            '{"op":"odd"}',
            '{"op":"subscribe","topic":"odd"}',
            '{"op":"subscribe","topic":"me"}',
        ):
            await socket.send(frame)
            message = json.loads(await socket.recv())
            assert message["op"] == "error"
            assert {"code", "message"} <= set(message) <= {"op", "code", "message", "topic"}
