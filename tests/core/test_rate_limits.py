"""Rate limiter: exact under concurrency, counted by the real client."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import settings as django_settings

from core import rate_limits
from core.rate_limits import RateLimitClass, RateLimiterUnavailable, address_key, address_of, consume


@pytest.fixture(autouse=True)
def _nothing_counted():
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()


@pytest.fixture
def rule(settings):
    def rule(**rules):
        settings.RATE_LIMITS = {**settings.RATE_LIMITS, **rules}

    return rule


def spend(count, cls=RateLimitClass.READ, **by):
    return [consume(cls, **by).allowed for _ in range(count)]


def test_exactly_n_of_two_hundred_at_once_get_through(rule):
    rule(auth="10/60")
    begin = threading.Barrier(50)

    def four_times(_):
        begin.wait(60)
        return spend(4, RateLimitClass.AUTH, address="192.0.2.1")

    with ThreadPoolExecutor(50) as pool:
        answers = [answer for four in pool.map(four_times, range(50)) for answer in four]
    assert (len(answers), sum(answers)) == (200, 10)


def test_result_counts_down_and_has_the_retry_time(rule):
    rule(read="2/60")
    first, second, third = (consume(RateLimitClass.READ, address="192.0.2.1") for _ in range(3))
    assert [(v.allowed, v.limit, v.remaining) for v in (first, second, third)] == [
        (True, 2, 1),
        (True, 2, 0),
        (False, 2, 0),
    ]
    assert first.retry_after_s == 0
    assert 58 <= third.retry_after_s <= 60


def test_window_slides(rule, monkeypatch):
    rule(read="2/60")
    key = "limit:read:client=address=192.0.2.1"
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert spend(3, address="192.0.2.1") == [True, True, False]
    seconds, micros = client.time()
    now = seconds * 1000 + micros // 1000
    client.lset(key, 0, now - 60_001)  # as if the first had been a window ago
    client.lset(key, 1, now - 30_000)
    assert spend(2, address="192.0.2.1") == [True, False]
    assert consume(RateLimitClass.READ, address="192.0.2.1").retry_after_s in (29, 30)


def test_refused_requests_use_up_nothing(rule):
    rule(auth="100/60", auth_account="2/60")
    assert spend(4, RateLimitClass.AUTH, address="192.0.2.1", account="a@example.org") == [
        True,
        True,
        False,
        False,
    ]
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert client.llen("limit:auth:address=192.0.2.1") == 2


def test_account_is_the_same_however_it_is_spelt_and_is_not_stored(rule):
    rule(auth_account="2/60")
    spellings = ("Owner@Example.org", " owner@example.org", "OWNER@EXAMPLE.ORG")
    allowed = [consume(RateLimitClass.AUTH, address="192.0.2.1", account=name).allowed for name in spellings]
    assert allowed == [True, True, False]
    keys = redis.Redis.from_url(django_settings.REDIS_URL).keys("*")
    assert not [key for key in keys if b"example" in key.lower()]


def test_locked_attacker_does_not_lock_out_the_owner_elsewhere(rule):
    rule(auth_account="2/60")
    assert spend(3, RateLimitClass.AUTH, address="192.0.2.1", account="a@b.c")[-1] is False
    assert spend(1, RateLimitClass.AUTH, address="198.51.100.1", account="a@b.c") == [True]


def test_users_behind_one_address_are_counted_apart(rule):
    rule(read="1/60")
    assert spend(1, user="alice", address="192.0.2.1") == [True]
    assert spend(2, user="bob", address="192.0.2.1") == [True, False]
    assert spend(1, address="192.0.2.1") == [True]


def test_classes_are_counted_apart(rule):
    rule(read="1/60", write="1/60")
    assert spend(2, RateLimitClass.READ, user="alice") == [True, False]
    assert spend(2, RateLimitClass.WRITE, user="alice") == [True, False]


def test_request_without_a_bucket_key_is_an_error():
    with pytest.raises(ValueError, match="no bucket key"):
        consume(RateLimitClass.READ)


def test_every_class_has_its_numbers():
    for cls in RateLimitClass:
        assert consume(cls, address="192.0.2.1", user="alice", account="a@b.c").allowed


@pytest.mark.parametrize("text", ["", "10", "0/60", "10/0", "-1/60", "ten/60"])
def test_rule_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        rate_limits.rule_parse(text)


def test_without_redis_the_limiter_is_unavailable(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    rate_limits._script.cache_clear()
    try:
        with pytest.raises(RateLimiterUnavailable):
            consume(RateLimitClass.AUTH, address="192.0.2.1")
    finally:
        rate_limits._script.cache_clear()


def test_every_key_expires():
    consume(RateLimitClass.AUTH, address="192.0.2.1", account="a@b.c")
    client = redis.Redis.from_url(django_settings.REDIS_URL)
    assert all(client.ttl(key) > 0 for key in client.keys("limit:*"))


async def test_coroutines_take_from_the_same_count(rule):
    rule(stream_connect="1/60")
    assert (await rate_limits.aconsume(RateLimitClass.STREAM_CONNECT, address="192.0.2.1")).allowed
    assert not consume(RateLimitClass.STREAM_CONNECT, address="192.0.2.1").allowed


# --- client address -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "", "10.0.0.1"),
        (0, "1.1.1.1", "10.0.0.1"),  # without proxies the header is forged
        (1, "", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # the client forged the first hop
        (1, "1.1.1.1,2.2.2.2, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (2, "1.1.1.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),  # the request bypassed a proxy
        (1, "nonsense", "10.0.0.1"),
    ],
)
def test_forged_forwarding_header_does_not_move_the_address(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXY_COUNT = proxies
    assert address_of("10.0.0.1", forwarded) == expected


def test_peer_without_an_address_is_still_counted():
    assert address_of("", "") == "0.0.0.0"
    assert consume(RateLimitClass.READ, address=address_of("", "")).allowed


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_ipv6_customer_is_one_key(address, key):
    assert address_key(address) == key
