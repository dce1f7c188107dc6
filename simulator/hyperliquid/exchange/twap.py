"""TWAP orders: slices every 30 seconds, each priced at most three per cent from the mark price."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random
from typing import Any

from simulator.hyperliquid.exchange import action_parser, errors, order_checks, order_execution, post_trade
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import OrderRefused
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.numbers import decimal_text
from simulator.markets.world import Market

Action = dict[str, Any]
MINUTE = 60_000
GAP = 30_000
SLIPPAGE = 3  # per cent
CATCH_UP = 3  # times the usual slice
MIN_MINUTES, MAX_MINUTES = 5, 1440


@dataclass(slots=True)
class Twap:
    """TWAP order. Sizes in lots, `spent` in price units times lots."""

    id: int
    user: str
    coin: str
    side: str
    size: int
    minutes: int
    reduce_only: bool
    randomize: bool
    time: int
    due: int
    filled: int = 0
    spent: int = 0
    status: str = "activated"
    ended: int = 0

    def dump(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def slices(self) -> int:
        return max(1, self.minutes * MINUTE // GAP)


# --- shapes ------------------------------------------------------------------------------------
def state(exchange: Exchange, twap: Twap) -> dict[str, Any]:
    listing = exchange.market(twap.coin).listing
    return {
        "coin": twap.coin, "user": twap.user, "side": "B" if twap.side == "buy" else "A",
        "sz": listing.size_text(twap.size), "executedSz": listing.size_text(twap.filled),
        "executedNtl": decimal_text(twap.spent, 8 if listing.is_spot else 6),
        "minutes": twap.minutes, "reduceOnly": twap.reduce_only, "randomize": twap.randomize,
        "timestamp": twap.time,
    }  # fmt: skip


def _row(exchange: Exchange, twap: Twap) -> dict[str, Any]:
    moment = twap.ended or twap.time
    status = {"status": twap.status}
    return {"time": moment // 1000, "state": state(exchange, twap), "status": status, "twapId": twap.id}


def _twaps_of(exchange: Exchange, account: Account) -> list[Twap]:
    return [twap for twap in exchange.twaps.values() if twap.user == account.address]


def states(exchange: Exchange, account: Account) -> list[Any]:
    """The running TWAPs of the account."""
    return [
        [twap.id, state(exchange, twap)]
        for twap in _twaps_of(exchange, account)
        if twap.status == "activated"
    ]


def history(exchange: Exchange, account: Account) -> list[dict[str, Any]]:
    """All TWAPs of the account, newest first."""
    return [_row(exchange, twap) for twap in reversed(_twaps_of(exchange, account))]


def slice_fills(account: Account) -> list[dict[str, Any]]:
    """Slice fills of the account, newest first."""
    rows = [{"fill": fill, "twapId": fill["twapId"]} for fill in account.fills if fill["twapId"] is not None]
    return rows[::-1]


# --- actions -----------------------------------------------------------------------------------
def _status(kind: str, status: Any) -> Action:
    return {"type": kind, "data": {"status": status}}


def twap_order(exchange: Exchange, account: Account, action: Action) -> Action:
    params = action.get("twap")
    if not isinstance(params, dict):
        raise errors.Unprocessable
    asset, minutes = action_parser.whole(params.get("a")), action_parser.whole(params.get("m"))
    buys, reduce_only, randomize = (action_parser.flag(params.get(name)) for name in ("b", "r", "t"))
    size = action_parser.number(params.get("s"))
    if not MIN_MINUTES <= minutes <= MAX_MINUTES:
        return _status("twapOrder", {"error": f"Invalid TWAP duration: {minutes} min(s)"})
    try:
        listing = order_checks.listing_of(exchange, asset)
        lots = order_checks.lots_of(listing, size)
        if lots <= 0:
            raise OrderRefused("Order has zero size.")
    except OrderRefused as refusal:
        return _status("twapOrder", {"error": f"{refusal.text} asset={asset}"})
    twap = Twap(
        exchange.next_twap, account.address, listing.coin, "buy" if buys else "sell", lots,
        minutes, reduce_only, randomize, exchange.now, exchange.now,
    )  # fmt: skip
    exchange.next_twap += 1
    exchange.twaps[twap.id] = twap
    _notify(exchange, twap)
    return _status("twapOrder", {"running": {"twapId": twap.id}})


def twap_cancel(exchange: Exchange, account: Account, action: Action) -> Action:
    asset, number = action_parser.whole(action.get("a")), action_parser.whole(action.get("t"))
    twap = exchange.twaps.get(number)
    is_own = twap is not None and twap.user == account.address and exchange.asset_of[twap.coin] == asset
    if twap is None or not is_own or twap.status != "activated":
        return _status("twapCancel", {"error": errors.TWAP_NOT_FOUND})
    _end(exchange, twap, "terminated")
    return _status("twapCancel", "success")


def _notify(exchange: Exchange, twap: Twap) -> None:
    exchange.touched.twaps.add(twap.id)
    exchange.notify(twap.user, "twap", _row(exchange, twap))


def _end(exchange: Exchange, twap: Twap, status: str) -> None:
    twap.status, twap.ended = status, exchange.now
    _notify(exchange, twap)


# --- slices ------------------------------------------------------------------------------------
def slices_send(exchange: Exchange) -> None:
    """Send the slices that are due."""
    for twap in list(exchange.twaps.values()):
        if twap.status == "activated" and exchange.now >= twap.due:
            _slice(exchange, twap)


def _slice(exchange: Exchange, twap: Twap) -> None:
    regular = -(-twap.size // twap.slices)
    done = min(twap.slices, (exchange.now - twap.time) // GAP + 1)
    lots = min(twap.size - twap.filled, regular * done - twap.filled, regular * CATCH_UP)
    spread = Random(twap.id * 1_000_003 + done).randint(-GAP // 5, GAP // 5) if twap.randomize else 0
    twap.due = twap.time + done * GAP + spread
    exchange.touched.twaps.add(twap.id)
    if lots > 0:
        _send(exchange, twap, lots)
    if twap.filled >= twap.size or exchange.now >= twap.time + twap.minutes * MINUTE:
        _end(exchange, twap, "finished")


def _send(exchange: Exchange, twap: Twap, lots: int) -> None:
    market = exchange.market(twap.coin)
    order = Order(
        oid=exchange.next_oid, owner=twap.user, coin=twap.coin,
        side="buy" if twap.side == "buy" else "sell", price=_limit_price(market, twap.side),
        size=lots, remaining=lots, tif="Ioc", time=exchange.now, reduce_only=twap.reduce_only,
        twap=twap.id, status_time=exchange.now, reported_size=lots,
    )  # fmt: skip
    account = exchange.accounts[twap.user]
    try:
        order_checks.funds_check(exchange, account, order)
        order_execution.enter(exchange, order)
        order_execution.execute(exchange, order)
    except OrderRefused as refusal:
        order_execution.refused(exchange, order, refusal)
    twap.filled += order.filled
    twap.spent += order_execution.taken_notional(exchange, order)
    post_trade.settle(exchange)


def _limit_price(market: Market, side: str) -> int:
    if side == "buy":
        return market.listing.ceil(market.mark * (100 + SLIPPAGE) // 100)
    return market.listing.floor(market.mark * (100 - SLIPPAGE) // 100)


def fills_query(exchange: Exchange, account: Account, request: Action) -> Any:
    return slice_fills(account)


def history_query(exchange: Exchange, account: Account, request: Action) -> Any:
    return history(exchange, account)


HANDLERS: dict[str, Callable[[Exchange, Account, Action], Action]] = {
    "twapOrder": twap_order,
    "twapCancel": twap_cancel,
}
