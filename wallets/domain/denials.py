"""Denial codes of the risk check with their messages; `docs/denials.md` is generated from them."""

from enum import StrEnum
from typing import Any, NamedTuple


class Denial(StrEnum):
    """Machine-readable code of a denial. Its message and meaning are in `REASONS`."""

    HALTED = "halted"
    REDUCING = "reducing"
    WALLET_INACTIVE = "wallet_inactive"
    INSTRUMENT_NOT_TRADING = "instrument_not_trading"
    PRICE_TICK = "price_tick"
    SIZE_STEP = "size_step"
    MIN_SIZE = "min_size"
    MAX_SIZE = "max_size"
    MIN_NOTIONAL = "min_notional"
    STALE_PRICE = "stale_price"
    PRICE_BAND = "price_band"
    SPOT_RULES = "spot_rules"
    NOTHING_TO_REDUCE = "nothing_to_reduce"
    TRIGGER_NOT_REDUCING = "trigger_not_reducing"
    TRIGGER_SIDE = "trigger_side"
    ORDER_RATE = "order_rate"
    OPEN_ORDERS = "open_orders"
    ORDER_LIMIT = "order_limit"
    DAILY_LIMIT = "daily_limit"
    POSITION_LIMIT = "position_limit"
    LEVERAGE = "leverage"
    LEVERAGE_TIER = "leverage_tier"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    REPLACED_ORDER_CLOSED = "replaced_order_closed"

    def message(self, **numbers: Any) -> str:
        return REASONS[self].template.format(**numbers)


class Reason(NamedTuple):
    """`template` is the message with placeholders for its numbers; `meaning` is for the documentation."""

    template: str
    meaning: str


REASONS: dict[Denial, Reason] = {
    Denial.HALTED: Reason(
        "Trading is halted: only cancels are sent.",
        "Trading of the wallet, its owner or the whole server is halted.",
    ),
    Denial.REDUCING: Reason(
        "Reduce-only mode: only orders that reduce a position are allowed; {closable} {base} can be closed.",
        "The wallet, its owner or the whole server is in reduce-only mode. Perpetuals: reduce-only orders, and "
        "orders no larger than the position less open orders that already close it. Spot: sells.",
    ),
    Denial.WALLET_INACTIVE: Reason(
        "This wallet cannot trade: it is {status}.",
        "The wallet has no working key: it is being checked, was rejected, has expired or was archived.",
    ),
    Denial.INSTRUMENT_NOT_TRADING: Reason(
        "{symbol} is not trading now.", "The venue lists the instrument, but accepts no orders for it."
    ),
    Denial.PRICE_TICK: Reason(
        "{price} is not a valid price of {symbol}; the nearest prices are {below} and {above}.",
        "A price or trigger price does not match the venue's tick rules.",
    ),
    Denial.SIZE_STEP: Reason(
        "Size must be a multiple of {step} {base}, not {size}.",
        "The size is not a multiple of the instrument's size step.",
    ),
    Denial.MIN_SIZE: Reason(
        "Size {size} {base} is below the minimum of {least} {base}.",
        "The size is below the venue's smallest order. Reduce-only orders are exempt.",
    ),
    Denial.MAX_SIZE: Reason(
        "Size {size} {base} is above the maximum of {most} {base}.",
        "The size is above the venue's largest order: place several.",
    ),
    Denial.MIN_NOTIONAL: Reason(
        "Order value {notional} {quote} is below the minimum of {least} {quote}.{hint}",
        "Size times price is below the venue's minimum order value. Reduce-only orders are exempt; the hint says so when the order would close a "
        "position.",
    ),
    Denial.STALE_PRICE: Reason(
        "Market data of {symbol} is older than {limit} s, and this order would open a position.",
        "The feed is down or late, so the order cannot be checked against the market. Exits are allowed when "
        "they have a price.",
    ),
    Denial.PRICE_BAND: Reason(
        "{price} is {percent} % worse than {mark}; the maximum is {band} %.",
        "The worst price of the order is too far on the aggressive side of the mark (of the trigger price "
        "for triggered orders). Prices far away on the passive side are fine.",
    ),
    Denial.SPOT_RULES: Reason(
        "{what} is available for perpetuals only; {symbol} is spot.",
        "Reduce-only and trigger orders do not exist for spot instruments.",
    ),
    Denial.NOTHING_TO_REDUCE: Reason(
        "No position in {symbol} that a reduce-only {side} could reduce.",
        "A reduce-only order without a position on the other side.",
    ),
    Denial.TRIGGER_NOT_REDUCING: Reason(
        "Stops and take-profits of {symbol} must be reduce-only.",
        "The venue accepts trigger orders of perpetuals only when they are reduce-only.",
    ),
    Denial.TRIGGER_SIDE: Reason(
        "Trigger price {trigger} must be {side} the mark price {mark}.",
        "The order would trigger at once: buy stops and sell take-profits lie above the mark price, the "
        "others below.",
    ),
    Denial.ORDER_RATE: Reason(
        "{count} orders in the last minute; the maximum is {limit}.",
        "More orders per minute than the limit of the wallet, denied ones included.",
    ),
    Denial.OPEN_ORDERS: Reason(
        "{count} orders are open; the maximum is {limit}.",
        "The wallet has reached the venue's limit of open orders per account.",
    ),
    Denial.ORDER_LIMIT: Reason(
        "The order value of {notional} {quote} is above the max order value of {limit} {quote}.",
        "Size times worst price is above the limit per order. Exits are exempt.",
    ),
    Denial.DAILY_LIMIT: Reason(
        "With this order the 24h volume would be {notional} {quote}; the daily limit is {limit}.",
        "The traded and open value of the orders of the last 24 hours, and this order. Exits are exempt.",
    ),
    Denial.POSITION_LIMIT: Reason(
        "The position value could reach {notional} {quote}; the max position value is {limit}.",
        "Position, open orders of the same side and this order together exceed the limit per instrument.",
    ),
    Denial.LEVERAGE: Reason(
        "Leverage could reach {leverage}x of the equity of {equity}; the max leverage is {limit}x.",
        "The notional of all positions, if every open order were filled, over the equity of the account.",
    ),
    Denial.LEVERAGE_TIER: Reason(
        "Leverage {leverage}x is above {limit}x, the maximum for a position of {notional} {quote}.",
        "The venue lowers the maximum leverage of larger positions: lower the leverage or the size. All open orders "
        "of the instrument are counted.",
    ),
    Denial.INSUFFICIENT_FUNDS: Reason(
        "Insufficient funds: {needed} {asset} are needed, {available} available.",
        "The available balance is below the cost of the order at its worst price: margin and fees of "
        "perpetuals, the price of a spot buy, the coins of a spot sell.",
    ),
    Denial.REPLACED_ORDER_CLOSED: Reason(
        "The order to modify has already ended.",
        "The order was filled or cancelled before its modification could be sent.",
    ),
}

DOCUMENT = """# Denials

*Denied* is the result of the risk check, before an order is sent; *rejected* comes from the venue. A denied
order is stored with its code and message, reserves nothing and was never sent. The API answers 422 with the
code.
This table is generated from `wallets/domain/denials.py`.

| code | message | meaning |
|---|---|---|
"""


def document() -> str:
    """The text of `docs/denials.md`."""
    rows = (f"| `{denial}` | {REASONS[denial].template} | {REASONS[denial].meaning} |\n" for denial in Denial)
    return DOCUMENT + "".join(rows)
