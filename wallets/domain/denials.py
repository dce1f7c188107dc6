"""Why we say no to an order: one enum, from which `docs/denials.md` is generated."""

from enum import StrEnum
from typing import Any, NamedTuple


class Denial(StrEnum):
    """The code that programs read. A sentence and what it means are in `REASONS`."""

    HALTED = "halted"
    REDUCING = "reducing"
    WALLET_INACTIVE = "wallet_inactive"
    NOT_TRADING = "not_trading"
    TICK = "tick"
    LOT = "lot"
    MIN_NOTIONAL = "min_notional"
    STALE_PRICE = "stale_price"
    PRICE_BAND = "price_band"
    SPOT_RULES = "spot_rules"
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    TRIGGER_NOT_REDUCING = "trigger_not_reducing"
    TRIGGER_SIDE = "trigger_side"
    RATE = "rate"
    OPEN_ORDERS = "open_orders"
    ORDER_LIMIT = "order_limit"
    DAY_LIMIT = "day_limit"
    POSITION_LIMIT = "position_limit"
    LEVERAGE = "leverage"
    FUNDS = "funds"
    REPLACED_GONE = "replaced_gone"

    def sentence(self, **numbers: Any) -> str:
        return REASONS[self].sentence.format(**numbers)


class Reason(NamedTuple):
    """`sentence` is a template with the numbers of the case; `meaning` is for the documentation."""

    sentence: str
    meaning: str


REASONS: dict[Denial, Reason] = {
    Denial.HALTED: Reason(
        "Trading is halted here: only cancels go out.",
        "The wallet, its owner or the whole house is halted.",
    ),
    Denial.REDUCING: Reason(
        "Only orders that make a position smaller are taken now; {closable} {base} could be closed.",
        "The wallet, its owner or the whole house only reduces. Perpetuals: reduce-only orders, and orders "
        "no larger than the position less what already waits to close it. Spot: sells.",
    ),
    Denial.WALLET_INACTIVE: Reason(
        "This wallet cannot trade: it is {status}.",
        "The wallet has no key that works: it is being checked, was refused, has expired or was archived.",
    ),
    Denial.NOT_TRADING: Reason(
        "{symbol} does not trade now.", "The venue lists the instrument, but takes no orders for it."
    ),
    Denial.TICK: Reason(
        "{price} is between two ticks of {symbol}; beside it are {below} and {above}.",
        "A price or trigger price is not one that the venue's tick rules allow.",
    ),
    Denial.LOT: Reason(
        "{size} {base} is not a multiple of the smallest step, {step}.",
        "The size has more decimals than the instrument allows.",
    ),
    Denial.MIN_NOTIONAL: Reason(
        "{notional} {quote} is less than the smallest order, {least} {quote}.",
        "Size times price is below the venue's smallest order. Reduce-only orders are exempt.",
    ),
    Denial.STALE_PRICE: Reason(
        "There is no price of {symbol} younger than {limit} s, and this order would open a position.",
        "The feed is away or late, so nothing can be judged against the market. Exits are let through when "
        "they name their price.",
    ),
    Denial.PRICE_BAND: Reason(
        "{price} is {percent} % worse than {mark}; at most {band} % is allowed.",
        "The worst price of the order is too far on the aggressive side of the mark (of the trigger price "
        "for triggered orders). Prices far away on the passive side are fine.",
    ),
    Denial.SPOT_RULES: Reason(
        "{what} is for perpetuals; {symbol} is spot.",
        "Reduce-only and triggered orders do not exist for spot instruments.",
    ),
    Denial.NOTHING_TO_REDUCE: Reason(
        "There is no position in {symbol} that a reduce-only {side} could make smaller.",
        "A reduce-only order without a position on the other side.",
    ),
    Denial.TRIGGER_NOT_REDUCING: Reason(
        "Stops and take-profits of {symbol} must be reduce-only.",
        "The venue takes triggered orders of perpetuals only when they are reduce-only.",
    ),
    Denial.TRIGGER_SIDE: Reason(
        "The trigger price {trigger} must be {side} the mark, {mark}.",
        "The trigger would fire at once: stops of buys and take-profits of sells lie above the mark, the "
        "others below.",
    ),
    Denial.RATE: Reason(
        "{count} orders in the last minute; at most {limit} are taken.",
        "More orders per minute than the limit of the wallet, denied ones included.",
    ),
    Denial.OPEN_ORDERS: Reason(
        "{count} orders are open; the venue takes no more than {limit}.",
        "The wallet has as many open orders as the venue keeps for one account.",
    ),
    Denial.ORDER_LIMIT: Reason(
        "{notional} {quote} is more than one order may be worth, {limit} {quote}.",
        "Size times worst price is above the limit per order. Exits are exempt.",
    ),
    Denial.DAY_LIMIT: Reason(
        "With this order {notional} {quote} would be traded or open within a day; the limit is {limit}.",
        "What the orders of the last 24 hours traded or still could, and this one. Exits are exempt.",
    ),
    Denial.POSITION_LIMIT: Reason(
        "The position could become worth {notional} {quote}; the limit is {limit}.",
        "Position, open orders of the same side and this order together exceed the limit per instrument.",
    ),
    Denial.LEVERAGE: Reason(
        "Positions could become {leverage} times the equity of {equity}; the limit is {limit} times.",
        "The notional of all positions, if every open order were filled, over the equity of the account.",
    ),
    Denial.FUNDS: Reason(
        "{needed} {asset} are needed, {available} are available.",
        "The wallet does not have what the order could cost at its worst price: margin and fees of "
        "perpetuals, the price of a spot buy, the coins of a spot sell.",
    ),
    Denial.REPLACED_GONE: Reason(
        "The order that this one was to replace has ended.",
        "A modification whose order was filled or cancelled before it could be sent.",
    ),
}

DOCUMENT = """# Denials

*Denied* is our no, before anything left the house; *rejected* is the venue's. A denied order is kept
with its code and sentence, reserves nothing and was never sent. The API answers 422 with the code.
This table is generated from `wallets/domain/denials.py`.

| code | what it says | when |
|---|---|---|
"""


def document() -> str:
    """The text of `docs/denials.md`."""
    rows = (f"| `{denial}` | {REASONS[denial].sentence} | {REASONS[denial].meaning} |\n" for denial in Denial)
    return DOCUMENT + "".join(rows)
