import psutil
import pytest
import redis
from django.conf import settings


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
