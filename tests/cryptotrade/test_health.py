import psutil
import pytest
import redis
from django.conf import settings

from tests.market.factories import publish, venue_make


@pytest.fixture(autouse=True)
def _no_feed_data():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


@pytest.fixture(autouse=True)
def load(monkeypatch):
    """Fake load average and core count of the machine."""
    values = {"load": 0.5}
    monkeypatch.setattr(psutil, "getloadavg", lambda: (values["load"], 0.0, 0.0))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    return values


def test_health_answers_without_looking_at_anything(client):
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_names_what_failed(client, db):
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["failed"] == ["venues"]


def test_ready_says_when_the_cores_are_full(client, db, load):
    load["load"] = 8.1
    answer = client.get("/ready").json()
    assert answer["failed"] == ["cpu", "venues"]
    assert answer["checks"]["cpu"] == "load 405 % of the cores"


def test_ready_says_what_of_a_venue_is_left_out(client, db):
    publish(
        offer=lambda publisher: setattr(publisher, "problem", "Instruments: 1 row was left out (S&P500).")
    )
    answer = client.get("/ready").json()
    assert answer["warnings"] == {"hyperliquid-sim": "Instruments: 1 row was left out (S&P500)."}
    assert answer["checks"]["venues"] == "ok"


def test_the_status_page_says_what_of_a_venue_is_left_out(client, db):
    venue_make()
    publish(offer=lambda publisher: setattr(publisher, "problem", "Instruments: 1 row was left out."))
    assert "Instruments: 1 row was left out." in client.get("/status/").content.decode()
