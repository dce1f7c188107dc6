"""Rate limiter in Redis for pages, the REST API and websockets: exact sliding windows in one atomic script.

In any interval of `seconds` at most `n` requests are allowed. The script stores their times in a list,
so that the count is exact under any concurrency. The numbers are in `settings.RATE_LIMITS`
(environment: `RATE_LIMIT_<NAME>=n/seconds`).
"""

import asyncio
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, cast

import redis
from django.conf import settings
from django.http import HttpRequest

CONNECTIONS = 16
REDIS_TIMEOUT_SECONDS = 1.0
ANONYMOUS = "0.0.0.0"  # noqa: S104  a unix socket peer has no address, but the columns need a value

# KEYS: buckets. ARGV: n and window in ms of each bucket. Either all buckets consume a request, or none.
# Result, of the tightest bucket: allowed, n, remaining, ms until the next request is possible.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local allowed, n, left, wait = 1, 0, nil, 0
for i, key in ipairs(KEYS) do
  local limit, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local oldest = redis.call('LINDEX', key, 0)
  while oldest and tonumber(oldest) <= now - window do
    redis.call('LPOP', key)
    oldest = redis.call('LINDEX', key, 0)
  end
  local spare = limit - redis.call('LLEN', key)
  local until_next = oldest and math.min(tonumber(oldest) + window - now, window) or window
  if spare <= 0 then allowed = 0 end
  if left == nil or spare < left or (spare <= 0 and until_next > wait) then
    n, left, wait = limit, math.max(spare, 0), until_next
  end
end
if allowed == 1 then
  for i, key in ipairs(KEYS) do
    redis.call('RPUSH', key, now)
    redis.call('PEXPIRE', key, ARGV[2 * i])
  end
  left = left - 1
end
return {allowed, n, left, wait}
"""


class RateLimitClass(StrEnum):
    """Class of a request for rate limiting. Its numbers are in `settings.RATE_LIMITS`."""

    AUTH = "auth"
    MAIL_CODE = "mail_code"
    STEP_UP = "step_up"
    READ = "read"
    FRAGMENT = "fragment"
    WRITE = "write"
    ORDER = "order"
    EXPORT = "export"
    STREAM_CONNECT = "stream_connect"
    STREAM_COMMAND = "stream_command"


# Buckets per class: the setting with the numbers, and the parts of the key. `client` is the user, or the
# address of an anonymous visitor; a bucket with an unknown part is skipped.
BUCKETS: dict[RateLimitClass, tuple[tuple[str, tuple[str, ...]], ...]] = {
    RateLimitClass.AUTH: (("auth", ("address",)), ("auth_account", ("account", "address"))),
    RateLimitClass.MAIL_CODE: (("mail_code", ("account",)), ("mail_code_address", ("address",))),
    RateLimitClass.STEP_UP: (("step_up", ("user",)), ("step_up", ("address",))),
    RateLimitClass.READ: (("read", ("client",)),),
    RateLimitClass.FRAGMENT: (("fragment", ("client",)),),
    RateLimitClass.WRITE: (("write", ("client",)),),
    RateLimitClass.ORDER: (("order", ("client",)),),
    RateLimitClass.EXPORT: (("export", ("client",)),),
    RateLimitClass.STREAM_CONNECT: (("stream_connect", ("address",)),),
    RateLimitClass.STREAM_COMMAND: (("stream_command", ("client",)),),
}
# Refused (503) while Redis is down: credential guessing and money. All other classes pass uncounted.
FAIL_CLOSED = frozenset(RateLimitClass) - {
    RateLimitClass.READ, RateLimitClass.FRAGMENT, RateLimitClass.STREAM_CONNECT, RateLimitClass.STREAM_COMMAND,
}  # fmt: skip


class RateLimiterUnavailable(RuntimeError):
    """Redis does not answer: the used-up requests are unknown."""


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """Result of a check. `retry_after_s` is 0 if allowed; the oldest request expires in `reset_s`."""

    allowed: bool
    limit: int
    remaining: int
    retry_after_s: int
    reset_s: int


def consume(
    cls: RateLimitClass, *, address: str | None = None, user: str | None = None, account: str | None = None
) -> RateLimitResult:
    """Count one request of `cls` against its buckets. Refused requests are not counted.

    `address` as `client_address` returns it, `user` a user id, `account` the e-mail address of a login.
    Raises `RateLimiterUnavailable` without Redis; `ValueError` when no bucket key can be built.
    """
    buckets = list(_buckets(cls, address, user, account))
    if not buckets:
        raise ValueError(f"no bucket key for {cls}")
    arguments = [number for _, rule in buckets for number in rule]
    try:
        result = cast("list[int]", _script()(keys=[key for key, _ in buckets], args=arguments))
    except redis.RedisError as error:
        raise RateLimiterUnavailable(str(cls)) from error
    allowed, limit, remaining, wait_ms = result
    seconds = max(1, math.ceil(wait_ms / 1000))
    return RateLimitResult(bool(allowed), limit, remaining, 0 if allowed else seconds, seconds)


async def aconsume(
    cls: RateLimitClass, *, address: str | None = None, user: str | None = None, account: str | None = None
) -> RateLimitResult:
    """`consume` for coroutines: runs in a thread, because it waits for Redis."""
    return await asyncio.to_thread(consume, cls, address=address, user=user, account=account)


def _buckets(
    cls: RateLimitClass, address: str | None, user: str | None, account: str | None
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Key and (n, window in ms) of each bucket of this request."""
    network = address and address_key(address)
    client = f"user={user}" if user else network and f"address={network}"
    parts = {"address": network, "user": user, "account": account and _digest(account), "client": client}
    for name, required in BUCKETS[cls]:
        if all(parts[part] for part in required):
            key = ":".join(f"{part}={parts[part]}" for part in required)
            yield f"limit:{name}:{key}", rule_parse(settings.RATE_LIMITS[name])


@lru_cache(maxsize=64)
def rule_parse(text: str) -> tuple[int, int]:
    """Parse "n/seconds": "10/60" → (10, 60,000 ms). Raises `ValueError`."""
    n, _, seconds = text.partition("/")
    rule = int(n), round(float(seconds) * 1000)
    if min(rule) <= 0:
        raise ValueError(f"{text!r} is not a rate limit: write n/seconds")
    return rule


def _digest(account: str) -> str:
    """Hash of the normalised address: Redis stores no addresses, and spelling variants share a count."""
    return hashlib.sha256(account.strip().casefold().encode("utf-8", "replace")).hexdigest()[:32]


@cache
def _script() -> Any:
    # A blocking pool: the default one raises when a burst needs more connections than it has.
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=CONNECTIONS,
        timeout=REDIS_TIMEOUT_SECONDS,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
    return redis.Redis(connection_pool=pool).register_script(SCRIPT)


# --- client address ----------------------------------------------------------------------------------
def client_address(request: HttpRequest) -> str:
    """The address of the client: the peer, or the hop recorded by our own proxies."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, forwarded: str) -> str:
    """The client address; of `X-Forwarded-For` only the last TRUSTED_PROXY_COUNT hops are trusted."""
    hops = [hop.strip() for hop in forwarded.split(",")]
    proxies = settings.TRUSTED_PROXY_COUNT
    if proxies and len(hops) >= proxies and _is_address(hops[-proxies]):
        return hops[-proxies]
    return peer or ANONYMOUS


def address_key(address: str) -> str:
    """The unit that is counted as one client: an IPv4 address, or the /64 network of an IPv6 address."""
    if not _is_address(address):
        return address[:45]
    parsed = ip_address(address)
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
