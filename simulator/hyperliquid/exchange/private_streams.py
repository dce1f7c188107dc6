"""Private streams of an account on `/ws`: subscriptions, snapshots, and the frames of each block."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from simulator.hyperliquid import wire
from simulator.hyperliquid.exchange import account_state, action_parser, agents, order_payloads, queries, twap
from simulator.hyperliquid.exchange.account_engine import AccountEngine
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange, NoticeKind, Notification
from simulator.hyperliquid.exchange.errors import Unprocessable
from simulator.hyperliquid.exchange.fixed_point import usd_text
from simulator.hyperliquid.topics import InvalidSubscription, Topic, frame
from simulator.markets import universe

MAX_SNAPSHOT = 2_000
EVENTS = {"orderUpdates", "userEvents", "notification"}  # these have no snapshot
Rows = list[dict[str, Any]]
State = Callable[[Exchange, Account, Topic], dict[str, Any]]


# --- full states -------------------------------------------------------------------------------
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
    own_agents = agents.agents_of(exchange, account.address)
    unnamed = next((agent.address for agent in own_agents if not agent.name), None)
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
# Stream → kind of notification that it publishes, and the name of the rows in its frame.
LOGS: dict[str, tuple[NoticeKind, str]] = {
    "userFills": ("fill", "fills"),
    "userFundings": ("funding", "fundings"),
    "userNonFundingLedgerUpdates": ("ledger", "nonFundingLedgerUpdates"),
    "userTwapSliceFills": ("slice", "twapSliceFills"),
    "userTwapHistory": ("twap", "history"),
    "userHistoricalOrders": ("order", "orderHistory"),
}
MOVING = {
    "clearinghouseState",
    "allDexsClearinghouseState",
    "activeAssetData",
    "webData2",
}  # changes with the mark price
PRIVATE = EVENTS | set(STATES) | set(LOGS)


def _logged(exchange: Exchange, account: Account, kind: str) -> Rows:
    """Rows of a log's snapshot, newest first."""
    if kind == "userFills":
        return queries.recent_fills(account)
    if kind == "userFundings":
        return [funding_row(row) for row in reversed(account.fundings)][:MAX_SNAPSHOT]
    if kind == "userNonFundingLedgerUpdates":
        return list(reversed(account.updates))[:MAX_SNAPSHOT]
    if kind == "userTwapSliceFills":
        return twap.slice_fills(account)
    return (
        twap.history(exchange, account) if kind == "userTwapHistory" else queries.history(exchange, account)
    )


def funding_row(row: dict[str, Any]) -> dict[str, Any]:
    """A funding payment in stream format: flat, without the nesting of the REST response."""
    return {"time": row["time"]} | {name: value for name, value in row["delta"].items() if name != "type"}


def private_parse(request: dict[str, Any], exchange: Exchange) -> Topic:
    """Parse a subscription to an account. Raises `InvalidSubscription`."""
    try:
        user = action_parser.address(request.get("user"))
    except Unprocessable:
        raise InvalidSubscription from None
    coin = request.get("coin") if request["type"] == "activeAssetData" else None
    if request["type"] == "activeAssetData" and (
        coin not in exchange.world.markets or exchange.market(str(coin)).listing.is_spot
    ):
        raise InvalidSubscription
    if request.get("dex") not in (None, ""):
        raise InvalidSubscription
    return Topic(request["type"], coin, user=user, aggregate=request.get("aggregateByTime") is True)


class AccountStreams:
    """Encoder of the private streams of all accounts."""

    def __init__(self, engine: AccountEngine) -> None:
        self._engine = engine

    def parse(self, request: dict[str, Any]) -> Topic:
        return private_parse(request, self._engine.exchange)

    def _account(self, topic: Topic) -> Account:
        user = topic.user or ""
        return self._engine.exchange.accounts.get(user, Account(user))

    def first(self, topic: Topic) -> bytes | None:
        """The snapshot frame of a new subscription; None for event streams, which have no snapshot."""
        if topic.kind in EVENTS:
            return None
        if topic.kind in STATES:
            return self.state(topic)
        rows = _logged(self._engine.exchange, self._account(topic), topic.kind)
        if topic.aggregate and topic.kind == "userFills":
            rows = queries.aggregated(rows)
        return frame(topic.kind, _envelope(topic, rows) | {"isSnapshot": True})

    def state(self, topic: Topic) -> bytes:
        exchange = self._engine.exchange
        return frame(topic.kind, STATES[topic.kind](exchange, self._account(topic), topic))

    def frames(self, topic: Topic, notices: list[Notification]) -> Iterator[bytes]:
        """Frames of one block for this subscription; `notices` are those of its user, at least one."""
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
            return [_complete(self._engine.exchange, row) for row in rows]
        return queries.aggregated(rows) if topic.aggregate and topic.kind == "userFills" else rows


def _complete(exchange: Exchange, update: dict[str, Any]) -> dict[str, Any]:
    order = exchange.orders.get(update["order"]["oid"])
    return order_payloads.past(exchange, order) if order else update


def _envelope(topic: Topic, rows: Rows) -> dict[str, Any]:
    return {"user": topic.user, LOGS[topic.kind][1]: rows}


def _of(notices: Iterable[Notification], kind: NoticeKind) -> Rows:
    return [notice.data for notice in notices if notice.kind == kind]


_EVENT_NAMES = {
    "fill": "fills", "cancel": "nonUserCancel", "twap": "twapHistory", "slice": "twapSliceFills",
}  # fmt: skip


def _events(notices: list[Notification]) -> Iterator[dict[str, Any]]:
    """One frame per kind of event; funding payments and liquidations have one frame each."""
    events = [notice for notice in notices if notice.kind not in ("order", "ledger")]
    for kind, run in groupby(sorted(events, key=lambda notice: notice.kind), key=lambda notice: notice.kind):
        rows = [notice.data for notice in run]
        if kind in _EVENT_NAMES:
            yield {_EVENT_NAMES[kind]: rows}
        elif kind == "funding":
            yield from ({"funding": funding_row(row)} for row in rows)
        elif kind == "liquidation":
            yield from ({"liquidation": row} for row in rows)
