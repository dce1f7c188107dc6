"""A Redis that hangs holds one caller at a time, and one a second; the others go on without it."""

import threading

import pytest
import redis
from django.conf import settings as django_settings

from market.hub.redis_breaker import AGAIN_AFTER, ANSWER_WITHIN, Asking, redis_ask
from tests.clock import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def asking(clock):
    return Asking("the client", clock)


def hangs(client):
    raise redis.exceptions.TimeoutError("hangs")


def refuses(client):
    raise redis.exceptions.ConnectionError("refused")


def answers(client):
    return f"{client} answered"


def never(client):
    raise AssertionError("asked although Redis is silent")


@pytest.mark.parametrize("away", [hangs, refuses])
def test_after_no_answer_nobody_asks_for_a_second(asking, clock, away):
    with pytest.raises(redis.RedisError):
        asking(away)
    clock.now += 0.99 * AGAIN_AFTER
    with pytest.raises(redis.ConnectionError, match="a moment ago"):
        asking(never)
    clock.now += 0.02 * AGAIN_AFTER
    assert asking(answers) == asking(answers) == "the client answered"


def test_an_error_of_redis_is_an_answer(asking):
    def wrong(client):
        raise redis.ResponseError("WRONGTYPE")

    with pytest.raises(redis.ResponseError):
        asking(wrong)
    assert asking(answers)


def test_while_one_asks_again_the_others_do_not_wait(asking, clock):
    with pytest.raises(redis.RedisError):
        asking(hangs)
    clock.now += AGAIN_AFTER
    inside, out, told = threading.Event(), threading.Event(), []

    def slowly(client):
        inside.set()
        assert out.wait(60)
        return "at last"

    one = threading.Thread(target=lambda: told.append(asking(slowly)))
    one.start()
    assert inside.wait(60)
    with pytest.raises(redis.ConnectionError, match="a moment ago"):
        asking(never)
    out.set()
    one.join(60)
    assert told == ["at last"]
    assert asking(answers)


def test_one_that_never_comes_back_keeps_nobody_from_asking_later(asking, clock):
    with pytest.raises(redis.RedisError):
        asking(hangs)
    clock.now += AGAIN_AFTER

    def dies(client):
        raise SystemExit

    with pytest.raises(SystemExit):
        asking(dies)
    with pytest.raises(redis.ConnectionError):
        asking(never)
    clock.now += ANSWER_WITHIN + AGAIN_AFTER
    assert asking(answers)


def test_it_is_said_once_when_redis_goes_and_once_when_it_is_back(asking, clock, caplog):
    caplog.set_level("INFO", logger="market.hub.redis_breaker")
    for _ in range(3):
        with pytest.raises(redis.RedisError):
            asking(hangs)
        clock.now += 2 * AGAIN_AFTER
    asking(answers)
    asking(answers)
    assert caplog.messages == ["Redis does not answer", "Redis answers again"]


def test_a_pooled_connection_that_died_costs_nothing():
    assert redis_ask(lambda client: client.ping())
    with redis.Redis.from_url(django_settings.REDIS_URL) as other:
        mine = redis_ask(lambda client: client.client_id())
        other.client_kill_filter(_id=mine)
    assert redis_ask(lambda client: client.ping())
