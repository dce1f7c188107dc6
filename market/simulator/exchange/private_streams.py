"""The streams of an account on `/ws`: what is subscribed to, what it is told at once, and in each block."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from market.simulator import universe, wire
from market.simulator.exchange import account_state, action_parser, agents, order_payloads, queries, twap
from market.simulator.exchange.account_engine import House
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.core import Exchange, Notice, NoticeKind
from market.simulator.exchange.errors import Unprocessable
from market.simulator.exchange.fixed_point import usd_text
from market.simulator.topics import InvalidSubscription, Topic, frame

SNAPSHOT_MOST = 2_000
EVENTS = {"orderUpdates", "userEvents", "notification"}  # these have no snapshot
Rows = list[dict[str, Any]]
State = Callable[[Exchange, Account, Topic], dict[str, Any]]


# --- whole states ------------------------------------------------------------------------------
def _clearinghouse(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    state = account_state.clearinghouse(exchange, account)
    return {"dex": "", "user": account.address, "clearinghouseState": state}


def _every_dex(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    states = [["", account_state.clearinghouse(exchange, account)]]
    return {"user": account.address, "clearinghouseStates": states}


def _spot(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    return {"user": account.address, "spotState": account_state.spot(exchange, account)}


def _orders(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    return {"dex": "", "user": account.address, "orders": queries.frontend_orders(exchange, account)}


def _active_asset(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    return account_state.active_asset(exchange, account, topic.coin or "")


def _twaps(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    return {"dex": "", "user": account.address, "states": twap.states(exchange, account)}


def _web_data(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    world = exchange.world
    theirs = agents.agents_of(exchange, account.address)
    unnamed = next((agent.address for agent in theirs if not agent.name), None)
    return {
        "clearinghouseState": account_state.clearinghouse(exchange, account),
        "openOrders": queries.frontend_orders(exchange, account),
        "meta": universe.meta(world.listings),
        "assetCtxs": wire.perp_contexts(world),
        "spotState": account_state.spot(exchange, account),
        "spotAssetCtxs": wire.spot_contexts(world),
        "serverTime": exchange.now,
        "user": account.address,
        "agentAddress": unnamed,
        "cumLedger": usd_text(account.paid_in),
        "isVault": False,
        "twapStates": twap.states(exchange, account),
    }


def _web_data_3(exchange: Exchange, account: Account, topic: Topic) -> dict[str, Any]:
    paid_in = usd_text(account.paid_in)
    state = {"user": account.address, "serverTime": exchange.now, "cumLedger": paid_in, "isVault": False}
    return {"userState": state, "perpDexStates": [{"totalVaultEquity": "0.0"}]}


STATES: dict[str, State] = {
    "clearinghouseState": _clearinghouse,
    "allDexsClearinghouseState": _every_dex,
    "spotState": _spot,
    "openOrders": _orders,
    "activeAssetData": _active_asset,
    "twapStates": _twaps,
    "webData2": _web_data,
    "webData3": _web_data_3,
}

# --- logs --------------------------------------------------------------------------------------
# Kind → the kind of notice it tells, and the name of the rows in its frame.
LOGS: dict[str, tuple[NoticeKind, str]] = {
    "userFills": ("fill", "fills"),
    "userFundings": ("funding", "fundings"),
    "userNonFundingLedgerUpdates": ("ledger", "nonFundingLedgerUpdates"),
    "userTwapSliceFills": ("slice", "twapSliceFills"),
    "userTwapHistory": ("twap", "history"),
    "userHistoricalOrders": ("order", "orderHistory"),
}
MOVING = {"clearinghouseState", "allDexsClearinghouseState", "activeAssetData", "webData2"}  # with the mark
PRIVATE = EVENTS | set(STATES) | set(LOGS)


def _logged(exchange: Exchange, account: Account, kind: str) -> Rows:
    """What a log's snapshot holds, newest first."""
    if kind == "userFills":
        return queries.recent_fills(account)
    if kind == "userFundings":
        return [funding_row(row) for row in reversed(account.fundings)][:SNAPSHOT_MOST]
    if kind == "userNonFundingLedgerUpdates":
        return list(reversed(account.updates))[:SNAPSHOT_MOST]
    if kind == "userTwapSliceFills":
        return twap.slice_fills(account)
    return (
        twap.history(exchange, account) if kind == "userTwapHistory" else queries.history(exchange, account)
    )


def funding_row(row: dict[str, Any]) -> dict[str, Any]:
    """A payment as streams write it: without the layers of the REST answer."""
    return {"time": row["time"]} | {name: value for name, value in row["delta"].items() if name != "type"}


def private_parse(asked: dict[str, Any], exchange: Exchange) -> Topic:
    """A subscription to an account. Raises `InvalidSubscription`."""
    try:
        user = action_parser.address(asked.get("user"))
    except Unprocessable:
        raise InvalidSubscription from None
    coin = asked.get("coin") if asked["type"] == "activeAssetData" else None
    if asked["type"] == "activeAssetData" and (
        coin not in exchange.world.markets or exchange.market(str(coin)).listing.is_spot
    ):
        raise InvalidSubscription
    if asked.get("dex") not in (None, ""):
        raise InvalidSubscription
    return Topic(asked["type"], coin, user=user, aggregate=asked.get("aggregateByTime") is True)


class Private:
    """The private side of the streams."""

    def __init__(self, house: House) -> None:
        self._house = house

    def parse(self, asked: dict[str, Any]) -> Topic:
        return private_parse(asked, self._house.exchange)

    def _account(self, topic: Topic) -> Account:
        user = topic.user or ""
        return self._house.exchange.accounts.get(user, Account(user))

    def first(self, topic: Topic) -> bytes | None:
        """What a subscription is told at once; event streams have nothing to tell."""
        if topic.kind in EVENTS:
            return None
        if topic.kind in STATES:
            return self.state(topic)
        rows = _logged(self._house.exchange, self._account(topic), topic.kind)
        if topic.aggregate and topic.kind == "userFills":
            rows = queries.aggregated(rows)
        return frame(topic.kind, _envelope(topic, rows) | {"isSnapshot": True})

    def state(self, topic: Topic) -> bytes:
        exchange = self._house.exchange
        return frame(topic.kind, STATES[topic.kind](exchange, self._account(topic), topic))

    def frames(self, topic: Topic, notices: list[Notice]) -> Iterator[bytes]:
        """What one block tells this subscription; `notices` are its user's, and there is at least one."""
        if topic.kind == "orderUpdates":
            if rows := _of(notices, "order"):
                yield frame("orderUpdates", rows)
        elif topic.kind == "userEvents":
            yield from (frame("user", event) for event in _events(notices))
        elif topic.kind in STATES:
            yield self.state(topic)
        elif topic.kind in LOGS and (rows := _of(notices, LOGS[topic.kind][0])):
            yield frame(topic.kind, _envelope(topic, self._shaped(topic, rows)))

    def _shaped(self, topic: Topic, rows: Rows) -> Rows:
        if topic.kind == "userFundings":
            return [funding_row(row) for row in rows]
        if topic.kind == "userHistoricalOrders":
            return [_complete(self._house.exchange, row) for row in rows]
        return queries.aggregated(rows) if topic.aggregate and topic.kind == "userFills" else rows


def _complete(exchange: Exchange, update: dict[str, Any]) -> dict[str, Any]:
    order = exchange.orders.get(update["order"]["oid"])
    return order_payloads.past(exchange, order) if order else update


def _envelope(topic: Topic, rows: Rows) -> dict[str, Any]:
    return {"user": topic.user, LOGS[topic.kind][1]: rows}


def _of(notices: Iterable[Notice], kind: NoticeKind) -> Rows:
    return [notice.data for notice in notices if notice.kind == kind]


_EVENT_NAMES = {
    "fill": "fills", "cancel": "nonUserCancel", "twap": "twapHistory", "slice": "twapSliceFills",
}  # fmt: skip


def _events(notices: list[Notice]) -> Iterator[dict[str, Any]]:
    """One frame per kind; payments and liquidations have a frame each."""
    told = [notice for notice in notices if notice.kind not in ("order", "ledger")]
    for kind, run in groupby(sorted(told, key=lambda notice: notice.kind), key=lambda notice: notice.kind):
        rows = [notice.data for notice in run]
        if kind in _EVENT_NAMES:
            yield {_EVENT_NAMES[kind]: rows}
        elif kind == "funding":
            yield from ({"funding": funding_row(row)} for row in rows)
        elif kind == "liquidation":
            yield from ({"liquidation": row} for row in rows)
