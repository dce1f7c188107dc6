"""`POST /info` on market data: one function from request to response. Requests on accounts give empty ones."""

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.hyperliquid import wire
from simulator.markets import universe
from simulator.markets.candles import INTERVALS
from simulator.markets.world import Market, World

UNPROCESSABLE = "Failed to deserialize the JSON body into the target type"


class Reply(NamedTuple):
    """HTTP status and body; a string body is sent as plain text, everything else as JSON."""

    status: int
    body: Any


class BadRequest(Exception):
    """The request does not match the venue's schema: HTTP 422."""


class _UnknownCoin(Exception):
    """The coin or dex is unknown: the venue responds null."""


Request = dict[str, Any]
Handler = Callable[[World, Request], Any]


def answer(world: World, request: Any) -> Reply:
    """The venue's response to a decoded request body."""
    try:
        return Reply(200, _handler(request)(world, request))
    except BadRequest:
        return Reply(422, UNPROCESSABLE)
    except wire.BadAggregation:
        return Reply(500, None)
    except _UnknownCoin:
        return Reply(200, None)


def _handler(request: Any) -> Handler:
    kind = request.get("type") if isinstance(request, dict) else None
    if not isinstance(kind, str):
        raise BadRequest
    if kind in _PUBLIC:
        return _PUBLIC[kind]
    if kind in _EMPTY_ACCOUNT:
        return _empty_account
    raise BadRequest


# --- fields ------------------------------------------------------------------------------------
def _market(world: World, request: Request) -> Market:
    coin = request.get("coin")
    if not isinstance(coin, str):
        raise BadRequest
    if coin not in world.markets:
        raise _UnknownCoin
    return world.markets[coin]


def _time(request: Request, name: str, default: int | None = None) -> int:
    value = request.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise BadRequest
    return value


def _first_dex(request: Request) -> None:
    """Only the first dex exists: the simulator has no builder-deployed markets."""
    if request.get("dex") not in (None, ""):
        raise _UnknownCoin


# --- the market --------------------------------------------------------------------------------
def _meta(world: World, request: Request) -> Any:
    _first_dex(request)
    return universe.meta(world.listings)


def _meta_and_contexts(world: World, request: Request) -> Any:
    return [_meta(world, request), wire.perp_contexts(world)]


def _spot_meta(world: World, request: Request) -> Any:
    return universe.spot_meta(world.listings)


def _spot_meta_and_contexts(world: World, request: Request) -> Any:
    return [universe.spot_meta(world.listings), wire.spot_contexts(world)]


def _all_mids(world: World, request: Request) -> Any:
    _first_dex(request)
    return wire.mids(world)


def _book(world: World, request: Request) -> Any:
    rounding = wire.aggregation(request.get("nSigFigs"), request.get("mantissa"))
    return wire.book(_market(world, request), rounding)


def _candles(world: World, request: Request) -> Any:
    inner = request.get("req")
    if not isinstance(inner, dict) or inner.get("interval") not in INTERVALS:
        raise BadRequest
    start, end = _time(inner, "startTime"), _time(inner, "endTime", world.now)
    return wire.candles(_market(world, inner), inner["interval"], start, end, world.now)


def _recent_trades(world: World, request: Request) -> Any:
    market = _market(world, request)
    return wire.trades(market, reversed(market.trades))


def _funding_history(world: World, request: Request) -> Any:
    start, end = _time(request, "startTime"), _time(request, "endTime", world.now)
    return wire.funding_history(_market(world, request), start, end)


def _predicted_fundings(world: World, request: Request) -> Any:
    return wire.predicted_fundings(world)


def _status(world: World, request: Request) -> Any:
    return {"time": world.now, "specialStatuses": None}


def _dexs(world: World, request: Request) -> Any:
    return [None]


_PUBLIC: dict[str, Handler] = {
    "meta": _meta,
    "metaAndAssetCtxs": _meta_and_contexts,
    "spotMeta": _spot_meta,
    "spotMetaAndAssetCtxs": _spot_meta_and_contexts,
    "perpDexs": _dexs,
    "allMids": _all_mids,
    "l2Book": _book,
    "candleSnapshot": _candles,
    "recentTrades": _recent_trades,
    "fundingHistory": _funding_history,
    "predictedFundings": _predicted_fundings,
    "exchangeStatus": _status,
}

# --- accounts: responses for an address without an account -------------------------------------
_ZERO_MARGIN = {"accountValue": "0.0", "totalNtlPos": "0.0", "totalRawUsd": "0.0", "totalMarginUsed": "0.0"}
_EMPTY_ACCOUNT: dict[str, Any] = {
    "clearinghouseState": {
        "marginSummary": _ZERO_MARGIN, "crossMarginSummary": _ZERO_MARGIN, "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": "0.0", "assetPositions": [],
    },
    "spotClearinghouseState": {"balances": []},
    "openOrders": [], "frontendOpenOrders": [], "historicalOrders": [],
    "userFills": [], "userFillsByTime": [], "userFunding": [], "userNonFundingLedgerUpdates": [],
    "userTwapSliceFills": [], "twapHistory": [], "extraAgents": [], "userVaultEquities": [],
    "subAccounts": None, "referral": None, "vaultDetails": None, "portfolio": [],
    "delegatorSummary": {}, "delegations": [], "delegatorRewards": [], "delegatorHistory": [],
    "orderStatus": {"status": "unknownOid"}, "userRole": {"role": "missing"},
    "userRateLimit": {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000, "nRequestsSurplus": 0},
    "userAbstraction": "default", "userDexAbstraction": None, "maxBuilderFee": 0, "legalCheck": {},
    "userToMultiSigSigners": None, "perpDeployAuctionStatus": {}, "spotDeployState": {}, "webData2": {},
}  # fmt: skip


def _empty_account(world: World, request: Request) -> Any:
    answer = _EMPTY_ACCOUNT[request["type"]]
    return {**answer, "time": world.now} if request["type"] == "clearinghouseState" else answer
