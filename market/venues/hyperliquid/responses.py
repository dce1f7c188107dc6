"""Decoder of Hyperliquid's responses to actions: accepted, rejected, or a `ParseError`. Pure."""

from market.domain.errors import ParseError
from market.domain.orders import Accepted, OrderResponse, Rejected
from market.venues.base import RejectionMeaning
from market.venues.hyperliquid.parsing import JsonObject, identity, quantity

# Prefix of the error message → status of such an order in the venue's order lists.
_REJECTIONS = {
    "Price must be divisible by tick size": "tickRejected",
    "Order must have minimum value of": "minTradeNtlRejected",
    "Insufficient margin to place order": "perpMarginRejected",
    "Reduce only order would increase position": "reduceOnlyRejected",
    "Post only order would have immediately matched": "badAloPxRejected",
    "Order could not immediately match against any resting orders": "iocCancelRejected",
    "Invalid TP/SL price": "badTriggerPxRejected",
    "No liquidity available for market order": "marketOrderNoLiquidityRejected",
    "Order would increase open interest while": "positionIncreaseAtOpenInterestCapRejected",
    "Order rejected due to price more aggressive than oracle": "tooAggressiveAtOpenInterestCapRejected",
    "Order would increase open interest too quickly": "openInterestIncreaseRejected",
    "Insufficient spot balance": "insufficientSpotBalanceRejected",
    "Price too far from oracle": "oracleRejected",
    "Order price too far from oracle": "oracleRejected",
    "Order would cause position to exceed margin tier limit": "perpMaxPositionRejected",
    "Too many open orders": "tooManyOpenOrdersRejected",
}
_WAITING = ("waitingForFill", "waitingForTrigger")


def rejection_status(reason: str) -> str:
    """The venue's status name of a rejection reason; empty if there is none."""
    return next((status for start, status in _REJECTIONS.items() if reason.startswith(start)), "")


def rejection_read(response: JsonObject) -> str | None:
    """The reason why the whole action was rejected, or None. A rejected action has no effect."""
    if response["status"] == "ok":
        return None
    if response["status"] == "err" and isinstance(response["response"], str):
        return response["response"]
    raise ParseError("not a response to an action", response)


def statuses_read(response: JsonObject, count: int) -> list[OrderResponse]:
    """One response for each of the `count` orders; a single error applies to every order of the batch."""
    rows = response["response"]["data"]["statuses"]
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    responses = [_status(row) for row in rows]
    if len(responses) == 1 and isinstance(responses[0], Rejected):
        return responses * count
    if len(responses) != count:
        raise ParseError(f"{len(responses)} responses for {count} orders", response)
    return responses


def _status(row: JsonObject | str) -> OrderResponse:
    if row == "success":
        return Accepted(resting=False)
    if row in _WAITING:
        return Accepted()
    if isinstance(row, str):
        raise ParseError("not the status of an order", row)
    if "error" in row:
        if not isinstance(row["error"], str):
            raise ParseError("not an error message", row)
        return Rejected(row["error"], rejection_status(row["error"]))
    if "resting" in row:
        return Accepted(identity(row["resting"]["oid"]))
    return Accepted(identity(row["filled"]["oid"]), resting=False, filled=quantity(row["filled"]["totalSz"]))


# --- rejection of a whole action ----------------------------------------------------------------------
# "duplicate nonce": nonces are never reused, so the venue has accepted an earlier copy of this request.
_AMBIGUOUS = ("duplicate nonce",)
_RETRYABLE = ("invalid nonce", "nonce too", "already expired", "too many cumulative requests", "rate limit")
_KEY_GONE = ("user or api wallet", "unable to recover signer")


def rejection_meaning(text: str) -> RejectionMeaning:
    """The meaning of a rejection of a whole action, by the venue's text."""
    lowered = text.lower()
    if any(part in lowered for part in _AMBIGUOUS):
        return "ambiguous"
    if any(part in lowered for part in _RETRYABLE):
        return "again"
    return "key_gone" if any(part in lowered for part in _KEY_GONE) else "reject"
