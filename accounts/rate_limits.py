"""How often who may do what. One atomic script in Redis decides, for pages, the API and sockets alike.

A window slides: of any `seconds`, however they are cut, at most `n` requests were let through. The
script keeps the times of those in a list, so that a count is exact under any concurrency. Numbers are
in `settings.LIMITS` (environment: `LIMIT_<NAME>=n/seconds`).
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
PATIENCE_SECONDS = 1.0
NOBODY = "0.0.0.0"  # noqa: S104  over a unix socket a peer has no address, and columns want one

# KEYS: buckets. ARGV: n and window in ms of each. All buckets take, or none does.
# Answers of the tightest bucket: allowed, n, left, ms until one more fits.
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


class LimitClass(StrEnum):
    """What a request is to us. Its numbers are in `settings.LIMITS`."""

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


# The buckets of a class: the setting with their numbers, and what makes their key. `who` is the user,
# or the address of a visitor; a bucket whose parts are not all known is left out.
BUCKETS: dict[LimitClass, tuple[tuple[str, tuple[str, ...]], ...]] = {
    LimitClass.AUTH: (("auth", ("address",)), ("auth_account", ("account", "address"))),
    LimitClass.MAIL_CODE: (("mail_code", ("account",)), ("mail_code_address", ("address",))),
    LimitClass.STEP_UP: (("step_up", ("user",)), ("step_up", ("address",))),
    LimitClass.READ: (("read", ("who",)),),
    LimitClass.FRAGMENT: (("fragment", ("who",)),),
    LimitClass.WRITE: (("write", ("who",)),),
    LimitClass.ORDER: (("order", ("who",)),),
    LimitClass.EXPORT: (("export", ("who",)),),
    LimitClass.STREAM_CONNECT: (("stream_connect", ("address",)),),
    LimitClass.STREAM_COMMAND: (("stream_command", ("who",)),),
}
# Without Redis these are refused (503): guessing and money. The others go on uncounted.
FAIL_CLOSED = frozenset(LimitClass) - {
    LimitClass.READ, LimitClass.FRAGMENT, LimitClass.STREAM_CONNECT, LimitClass.STREAM_COMMAND,
}  # fmt: skip


class LimitsUnavailable(RuntimeError):
    """Redis does not answer: nobody knows what has been used up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after_s` is 0 when allowed; `reset_s`: when the oldest counted request leaves the window."""

    allowed: bool
    limit: int
    remaining: int
    retry_after_s: int
    reset_s: int


def take(
    cls: LimitClass, *, address: str | None = None, user: str | None = None, account: str | None = None
) -> Verdict:
    """Use up one request of `cls`. Refused requests use up nothing.

    `address` as `client_address` gives it, `user` an id, `account` the e-mail address that was typed.
    Raises `LimitsUnavailable` without Redis; `ValueError` when nothing says whose request it is.
    """
    buckets = list(_buckets(cls, address, user, account))
    if not buckets:
        raise ValueError(f"nothing to count {cls} by")
    arguments = [number for _, rule in buckets for number in rule]
    try:
        answer = cast("list[int]", _script()(keys=[key for key, _ in buckets], args=arguments))
    except redis.RedisError as error:
        raise LimitsUnavailable(str(cls)) from error
    allowed, limit, remaining, wait_ms = answer
    seconds = max(1, math.ceil(wait_ms / 1000))
    return Verdict(bool(allowed), limit, remaining, 0 if allowed else seconds, seconds)


async def take_async(
    cls: LimitClass, *, address: str | None = None, user: str | None = None, account: str | None = None
) -> Verdict:
    """`take` for coroutines: in a thread, as it waits for Redis."""
    return await asyncio.to_thread(take, cls, address=address, user=user, account=account)


def _buckets(
    cls: LimitClass, address: str | None, user: str | None, account: str | None
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Key and (n, window in ms) of each bucket that this request falls into."""
    network = address and address_key(address)
    who = f"user={user}" if user else network and f"address={network}"
    parts = {"address": network, "user": user, "account": account and _digest(account), "who": who}
    for name, wanted in BUCKETS[cls]:
        if all(parts[part] for part in wanted):
            key = ":".join(f"{part}={parts[part]}" for part in wanted)
            yield f"limit:{name}:{key}", rule_parse(settings.LIMITS[name])


@lru_cache(maxsize=64)
def rule_parse(text: str) -> tuple[int, int]:
    """ "10/60" → 10 in 60,000 ms. Raises `ValueError`."""
    n, _, seconds = text.partition("/")
    rule = int(n), round(float(seconds) * 1000)
    if min(rule) <= 0:
        raise ValueError(f"{text!r} is not a limit: write n/seconds")
    return rule


def _digest(account: str) -> str:
    """No e-mail address in Redis, and no spelling that starts a new count."""
    return hashlib.sha256(account.strip().casefold().encode("utf-8", "replace")).hexdigest()[:32]


@cache
def _script() -> Any:
    # A pool that blocks: the stock one raises when a burst asks for one connection too many.
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=CONNECTIONS,
        timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
    )
    return redis.Redis(connection_pool=pool).register_script(SCRIPT)


# --- whose request -----------------------------------------------------------------------------------
def client_address(request: HttpRequest) -> str:
    """The address of the caller: the peer, or the hop that our own proxies saw."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, forwarded: str) -> str:
    """Of `X-Forwarded-For` only what our TRUSTED_PROXY_COUNT proxies appended is believed."""
    hops = [hop.strip() for hop in forwarded.split(",")]
    proxies = settings.TRUSTED_PROXY_COUNT
    if proxies and len(hops) >= proxies and _is_address(hops[-proxies]):
        return hops[-proxies]
    return peer or NOBODY


def address_key(address: str) -> str:
    """What is counted as one caller: an IPv4 address, or the /64 that one IPv6 customer has to itself."""
    if not _is_address(address):
        return address[:45]
    known = ip_address(address)
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(ip_network((int(known), 64), strict=False))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
