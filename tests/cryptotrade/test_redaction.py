"""Log output: one JSON object per line, with all secrets redacted."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptotrade.logging import REDACTED, JsonFormatter, redact, redact_text, request_id

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
BCRYPT = "bcrypt_sha256$$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("tests.redaction")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.removeHandler(handler)


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} was used",
        f"key 0x{KEY}",
        f"signature {KEY}{KEY}1b",
        f"token {JWT} refused",
        f"half a token {JWT.rpartition('.')[0]}",
        "key ctk_Zk3fV9p2_hunter2hunter2 expired",
        "header Authorization: Bearer hunter2hunter2",
        "bearer hunter2hunter2",
        f"hash {BCRYPT}",
        "postgresql://trader:hunter2hunter2@db:5432/x",
        "password=hunter2hunter2&next=/",
        "{'password': 'hunter2 hunter2', 'x': 1}",
        '{"new_password1": "hunter2\\"hunter2"}',
        "api_key=hunter2hunter2",
        "X-Api-Key: hunter2hunter2",
        "Cookie: session=hunter2hunter2; csrftoken=hunter2hunter2",
        "csrfmiddlewaretoken=hunter2hunter2",
        "totp: 'hunter2hunter2'",
        "private_key: hunter2hunter2",
        "otpauth://totp/x?secret=hunter2hunter2",
    ],
)
def test_secret_is_not_in_the_text(text):
    redacted = redact_text(text)
    assert REDACTED in redacted
    for secret in ("hunter2", KEY, JWT, BCRYPT[20:]):
        assert secret not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "order 0x0123456789abcdef0123456789abcdef was filled at 71284.5",  # a client order id
        "GET /market/hyperliquid-sim/BTC/ took 12 ms",
        "request 3f2b8c1d4e5f60718293a4b5c6d7e8f9",
        "user 7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "the token was refused",
        "redis://localhost:6379/0",
    ],
)
def test_ordinary_text_stays(text):
    assert redact_text(text) == text


def test_values_are_hidden_by_name_however_deep():
    redacted = redact({"a": [{"Authorization": "x", "user_password": 7}], "fine": {"symbol": "BTC", "n": 1}})
    assert redacted == {
        "a": [{"Authorization": REDACTED, "user_password": REDACTED}],
        "fine": {"symbol": "BTC", "n": 1},
    }


@given(st.text(), st.text())
def test_key_is_found_in_any_context(before, after):
    assert KEY not in redact_text(f"{before} {KEY} {after}")


def test_messages_arguments_extras_and_tracebacks_are_redacted(lines):
    log = logging.getLogger("tests.redaction")
    log.info("sent %s", JWT)
    log.info("extra", extra={"reason": f"key {KEY}", "venue": {"secret": "hunter2"}})
    try:
        raise ValueError(f"password=hunter2 {KEY}")
    except ValueError:
        log.exception("failed")
    text = json.dumps(lines())
    assert len(lines()) == 3
    assert "Traceback" in text
    for secret in ("hunter2", KEY, JWT):
        assert secret not in text


def test_hash_of_an_audit_entry_is_no_secret():
    record = logging.makeLogRecord({"name": "accounts.audit", "msg": "audit", "hash": KEY})
    assert json.loads(JsonFormatter().format(record))["hash"] == KEY


def test_newline_in_a_message_stays_one_line(lines):
    logging.getLogger("tests.redaction").info('one\n{"level": "forged"}')
    assert len(lines()) == 1


def test_a_dictionary_is_a_message_and_sets_no_fields(lines):
    logging.getLogger("tests.redaction").info(
        {"level": "forged", "request_id": "forged", "password": "hunter2"}
    )
    (line,) = lines()
    assert line["level"] == "INFO"
    assert "request_id" not in line
    assert line["message"].startswith("{'level': 'forged'")
    assert "hunter2" not in line["message"]


def test_a_line_has_its_known_fields_in_order_and_no_others(lines):
    extra = {"order_id": "7", "user_id": None, "unknown": "x", "duration_ms": 1.5, "level": "forged"}
    token = request_id.set("request-1")
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("tests.redaction").warning("one", exc_info=True, stack_info=True, extra=extra)
    finally:
        request_id.reset(token)
    (line,) = lines()
    assert list(line) == [
        "timestamp", "level", "logger", "message", "request_id", "order_id", "duration_ms", "exception",
    ]  # fmt: skip
    assert line["level"] == "WARNING"
    assert line["request_id"] == "request-1"
    assert line["order_id"] == "7"


def test_the_time_is_utc_in_milliseconds():
    record = logging.makeLogRecord({"created": 1_700_000_000.0417, "msecs": 41.0})
    assert json.loads(JsonFormatter().format(record))["timestamp"] == "2023-11-14T22:13:20.041+00:00"


def test_each_request_is_one_line_with_who_and_how_long(client, alice, caplog):
    client.force_login(alice)
    with caplog.at_level(logging.INFO, "cryptotrade.logging"):
        answer = client.get("/accounts/link/?code=hunter2", headers={"x-request-id": "my-request-1"})
    (record,) = [record for record in caplog.records if record.name == "cryptotrade.logging"]
    line = json.loads(JsonFormatter().format(record))
    assert answer["X-Request-ID"] == "my-request-1"
    assert (line["path"], line["method"], line["status"]) == ("/accounts/link/", "GET", 200)
    assert line["user_id"] == str(alice.pk)
    assert line["duration_ms"] > 0
    assert "hunter2" not in json.dumps(line)


def test_request_ids_that_could_forge_a_line_are_replaced(client):
    answer = client.get("/health", headers={"x-request-id": 'x" , "level": "forged'})
    assert "forged" not in answer["X-Request-ID"]
