"""How many requests an address may make: ten thousand, and one more for every USDC it traded."""

from typing import Any

from market.simulator.exchange.accounts import Account
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import Refused
from market.simulator.numbers import decimal_text

FIRST = 10_000
MILLION = 1_000_000
EXPIRED_COSTS = 5
PAUSE = 10_000
CANCELS = ("cancel", "cancelByCloid")
CANCELS_MORE = 100_000
_LISTS = ("orders", "cancels", "modifies")


def batch_size(action: dict[str, Any]) -> int:
    """How many orders an action holds."""
    return max([1, *(len(action[name]) for name in _LISTS if isinstance(action.get(name), list))])


def ip_weight(action: Any) -> int:
    """What it costs the address it came from."""
    return 1 + batch_size(action) // 40 if isinstance(action, dict) else 1


def cap(account: Account) -> int:
    return FIRST + account.volume // MILLION + account.bought


def allow(exchange: Exchange, account: Account, action: dict[str, Any]) -> None:
    """Over the cap one action in ten seconds passes; cancels have a cap of their own."""
    most = cap(account)
    if action["type"] in CANCELS:
        most = min(most + CANCELS_MORE, 2 * most)
    used = account.requests
    if not exchange.rules.address_requests or used < most:
        return
    if exchange.now - account.last_request >= PAUSE:
        return
    traded = decimal_text(account.volume // 10_000, 2)
    raise Refused(
        f"Too many cumulative requests sent ({used} > {most}) for cumulative volume traded ${traded}. "
        "Place taker orders to free up 1 request per USDC traded."
    )


def spend(exchange: Exchange, account: Account, action: dict[str, Any], times: int = 1) -> None:
    account.requests += batch_size(action) * times
    account.last_request = exchange.now
    exchange.touch(account)
