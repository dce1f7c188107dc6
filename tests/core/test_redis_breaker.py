"""Redis circuit breaker: a hanging Redis blocks one caller per second; the others fail at once."""

import threading

import pytest
import redis
from django.conf import settings as django_settings

from core.redis_breaker import RETRY_AFTER_SECONDS, TIMEOUT_SECONDS, RedisCircuitBreaker, redis_call
from tests.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return RedisCircuitBreaker("the client", clock)


def hangs(client):
    raise redis.exceptions.TimeoutError("hangs")


def refuses(client):
    raise redis.exceptions.ConnectionError("refused")


def answers(client):
    return f"{client} answered"


def never(client):
    raise AssertionError("asked although Redis is silent")


@pytest.mark.parametrize("failure", [hangs, refuses])
def test_after_a_failure_no_call_reaches_redis_for_a_second(breaker, clock, failure):
    with pytest.raises(redis.RedisError):
        breaker(failure)
    clock.now += 0.99 * RETRY_AFTER_SECONDS
    with pytest.raises(redis.ConnectionError, match="a moment ago"):
        breaker(never)
    clock.now += 0.02 * RETRY_AFTER_SECONDS
    assert breaker(answers) == breaker(answers) == "the client answered"


def test_an_error_reply_of_redis_is_not_a_failure(breaker):
    def wrong(client):
        raise redis.ResponseError("WRONGTYPE")

    with pytest.raises(redis.ResponseError):
        breaker(wrong)
    assert breaker(answers)


def test_while_one_caller_retries_the_others_fail_at_once(breaker, clock):
    with pytest.raises(redis.RedisError):
        breaker(hangs)
    clock.now += RETRY_AFTER_SECONDS
    inside, out, results = threading.Event(), threading.Event(), []

    def slowly(client):
        inside.set()
        assert out.wait(60)
        return "at last"

    one = threading.Thread(target=lambda: results.append(breaker(slowly)))
    one.start()
    assert inside.wait(60)
    with pytest.raises(redis.ConnectionError, match="a moment ago"):
        breaker(never)
    out.set()
    one.join(60)
    assert results == ["at last"]
    assert breaker(answers)


def test_a_caller_that_never_returns_does_not_block_later_retries(breaker, clock):
    with pytest.raises(redis.RedisError):
        breaker(hangs)
    clock.now += RETRY_AFTER_SECONDS

    def dies(client):
        raise SystemExit

    with pytest.raises(SystemExit):
        breaker(dies)
    with pytest.raises(redis.ConnectionError):
        breaker(never)
    clock.now += TIMEOUT_SECONDS + RETRY_AFTER_SECONDS
    assert breaker(answers)


def test_failure_and_recovery_are_logged_once(breaker, clock, caplog):
    caplog.set_level("INFO", logger="core.redis_breaker")
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            breaker(hangs)
        clock.now += 2 * RETRY_AFTER_SECONDS
    breaker(answers)
    breaker(answers)
    assert caplog.messages == ["Redis does not answer", "Redis answers again"]


def test_a_closed_pooled_connection_is_replaced():
    assert redis_call(lambda client: client.ping())
    with redis.Redis.from_url(django_settings.REDIS_URL) as other:
        client_id = redis_call(lambda client: client.client_id())
        other.client_kill_filter(_id=client_id)
    assert redis_call(lambda client: client.ping())
