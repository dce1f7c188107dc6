import pytest

from cryptotrade.settings import _stream_prefix


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("redis://127.0.0.1:6379", "ct-stream-0"),
        ("redis://127.0.0.1:6379/0", "ct-stream-0"),
        ("redis://:secret@127.0.0.1:6379/3", "ct-stream-3"),
        ("rediss://127.0.0.1:6379?db=4", "ct-stream-4"),
        ("unix:///run/redis.sock", "ct-stream-0"),
        ("unix:///run/redis.sock?db=2", "ct-stream-2"),
    ],
)
def test_stacks_in_two_databases_of_one_redis_have_different_prefixes(url, prefix):
    assert _stream_prefix(url) == prefix
