import pytest
import redis
from django.conf import settings


@pytest.fixture(autouse=True)
def _no_feed_has_spoken():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()


def test_health_answers_without_looking_at_anything(client):
    assert client.get("/health").json() == {"status": "ok"}


def test_ready_names_what_failed(client, db):
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["failed"] == ["venues"]
