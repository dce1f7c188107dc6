"""The last look at what a bot wants: never more than its budget, never what it does not hold.

It counts the worst case: every live order filled. An order that replaces another counts instead of
it. (Should the venue fill a part of the old one in the milliseconds before it replaces it, the bot
holds that part more than planned, and the next look counts it.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from bots.domain.orders import Live
from bots.sdk.context import Position, Terms
from bots.sdk.intents import Level

ZERO = Decimal(0)


def counted(live: Iterable[Live]) -> list[Live]:
    """The live orders, but of two of which one replaces the other only the one that costs more."""
    orders = {order.client_id: order for order in live}
    for order in list(orders.values()):
        former = orders.get(order.replaces) if order.replaces else None
        if former is not None:
            del orders[(former if former.notional <= order.notional else order).client_id]
    return list(orders.values())


def worst(position: Position, orders: Iterable[Live]) -> tuple[Decimal, Decimal]:
    """What the bot might come to hold (long, short), in quote units at cost, if all `orders` filled.

    What only reduces a position comes off first, and the cheapest orders of a side are taken to do so.
    """
    opening = [order for order in orders if not order.level.reduce_only]
    buys = sorted((o for o in opening if o.level.side == "buy"), key=_price)
    sells = sorted((o for o in opening if o.level.side == "sell"), key=_price)
    long = max(position.cost, ZERO) + _beyond(buys, max(-position.size, ZERO))
    short = max(-position.cost, ZERO) + _beyond(sells, max(position.size, ZERO))
    return long, short


def refusal(
    terms: Terms, position: Position, live: Sequence[Live], new: Live, bid: Decimal | None
) -> str | None:
    """Why `new` (perhaps in place of the order that it replaces) may not be placed; None when it may.

    A sell that may trade at once counts at the best `bid`, where that is above its own price.
    """
    level = new.level
    if not terms.tradable(level.price, level.size) and not level.reduce_only:
        return f"{level.size} at {level.price} is too small for the venue"
    if level.reduce_only:
        return _reducing(position, live, new)
    limit = position.power(terms)
    if level.side == "sell" and level.style != "post_only" and bid is not None and bid > level.price:
        new = replace(new, level=replace(level, price=bid))
    orders = counted([*live, new])
    long, short = worst(position, orders)
    if terms.instrument.kind == "spot" and level.side == "sell":
        selling = sum((order.left for order in orders if order.level.side == "sell"), ZERO)
        return f"the bot holds {position.size} and would sell {selling}" if selling > position.size else None
    reached = long if level.side == "buy" else short
    if reached <= limit or _only_reduces(position, orders, level):
        return None
    return f"with this order {reached:.2f} would be at work, and the budget allows {limit:.2f}"


def _reducing(position: Position, live: Sequence[Live], new: Live) -> str | None:
    """An order that may only reduce must find something to reduce; how much, the venue sees to."""
    held = position.size if new.level.side == "sell" else -position.size
    return (
        None
        if held >= new.level.size
        else f"the bot holds {max(held, ZERO)} and would close {new.level.size}"
    )


def _only_reduces(position: Position, orders: list[Live], level: Level) -> bool:
    size = sum((o.left for o in orders if o.level.side == level.side and not o.level.reduce_only), ZERO)
    return size <= (position.size if level.side == "sell" else -position.size)


def _beyond(orders: list[Live], reducing: Decimal) -> Decimal:
    """Notional of `orders`, cheapest first, without the first `reducing` units."""
    total = ZERO
    for order in orders:
        closing = min(order.left, reducing)
        reducing -= closing
        total += (order.left - closing) * order.level.price
    return total


def _price(order: Live) -> Decimal:
    return order.level.price
