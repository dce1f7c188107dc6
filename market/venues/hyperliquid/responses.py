"""What Hyperliquid answers to an action: accepted, refused, or a `ParseError`. Pure."""

from typing import Any

from market.domain.errors import ParseError
from market.domain.orders import Accepted, Answer, Refused
from market.venues.hyperliquid.parsing import identity, quantity

# How an error begins, and the status that the venue's own lists give such an order.
_REFUSALS = {
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


def refusal_status(reason: str) -> str:
    """The venue's name for that refusal; empty where it has none."""
    return next((status for start, status in _REFUSALS.items() if reason.startswith(start)), "")


def refusal_read(answer: Any) -> str | None:
    """Why the whole action was refused, or None. Nothing of a refused action was done."""
    if answer["status"] == "ok":
        return None
    if answer["status"] == "err" and isinstance(answer["response"], str):
        return answer["response"]
    raise ParseError("not an answer to an action", answer)


def statuses_read(answer: Any, count: int) -> list[Answer]:
    """One answer for each of the `count` orders; one error for the whole batch is everyone's."""
    rows = answer["response"]["data"]["statuses"]
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    found = [_status(row) for row in rows]
    if len(found) == 1 and isinstance(found[0], Refused):
        return found * count
    if len(found) != count:
        raise ParseError(f"{len(found)} answers to {count} orders", answer)
    return found


def _status(row: Any) -> Answer:
    if row == "success":
        return Accepted(resting=False)
    if row in _WAITING:
        return Accepted()
    if "error" in row:
        if not isinstance(row["error"], str):
            raise ParseError("not a sentence", row)
        return Refused(row["error"], refusal_status(row["error"]))
    if "resting" in row:
        return Accepted(identity(row["resting"]["oid"]))
    return Accepted(identity(row["filled"]["oid"]), resting=False, filled=quantity(row["filled"]["totalSz"]))
