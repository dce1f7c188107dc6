"""Pre-trade risk check of a bot: never more than its budget, never a sale of what it does not hold.

It uses the worst case: every live order is filled. A replacing order counts instead of the order that it
replaces. (If the venue fills a part of the old order just before the replacement, the bot holds that part
in excess of the plan, and the next check includes it.)
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from bots.domain.orders import LiveOrder
from bots.sdk.context import Position, Terms
from bots.sdk.intents import Level

ZERO = Decimal(0)


def counted_orders(live: Iterable[LiveOrder]) -> list[LiveOrder]:
    """The live orders; of an order and its replacement only the one with the larger notional."""
    orders = {order.client_id: order for order in live}
    for order in list(orders.values()):
        previous = orders.get(order.replaces) if order.replaces else None
        if previous is not None:
            del orders[(previous if previous.notional <= order.notional else order).client_id]
    return list(orders.values())


def worst_case_exposure(position: Position, orders: Iterable[LiveOrder]) -> tuple[Decimal, Decimal]:
    """The largest (long, short) exposure if all `orders` filled, in quote units at cost.

    Orders that reduce the position are deducted first; the cheapest orders of a side count as reducing.
    """
    opening = [order for order in orders if not order.level.reduce_only]
    buys = sorted((o for o in opening if o.level.side == "buy"), key=_price)
    sells = sorted((o for o in opening if o.level.side == "sell"), key=_price)
    long = max(position.cost, ZERO) + _opening_notional(buys, max(-position.size, ZERO))
    short = max(-position.cost, ZERO) + _opening_notional(sells, max(position.size, ZERO))
    return long, short


def check_order(
    terms: Terms, position: Position, live: Sequence[LiveOrder], new: LiveOrder, bid: Decimal | None
) -> str | None:
    """The reason why `new` (possibly a replacement) is denied; None when it passes.

    A sell that may fill immediately counts at the best `bid` where that is above its own price.
    """
    level = new.level
    if not terms.is_tradable(level.price, level.size) and not level.reduce_only:
        return f"{level.size} at {level.price} is below the exchange's minimum order size"
    if level.reduce_only:
        return _check_reduce_only(position, live, new)
    limit = position.buying_power(terms)
    if level.side == "sell" and level.style != "post_only" and bid is not None and bid > level.price:
        new = replace(new, level=replace(level, price=bid))
    orders = counted_orders([*live, new])
    long, short = worst_case_exposure(position, orders)
    if terms.instrument.kind == "spot" and level.side == "sell":
        selling = sum((order.remaining for order in orders if order.level.side == "sell"), ZERO)
        return f"the bot holds {position.size} and would sell {selling}" if selling > position.size else None
    exposure = long if level.side == "buy" else short
    if exposure <= limit or _only_reduces(position, orders, level):
        return None
    return f"exposure would be {exposure:.2f} with this order; the budget allows {limit:.2f}"


def _check_reduce_only(position: Position, live: Sequence[LiveOrder], new: LiveOrder) -> str | None:
    """A reduce-only order needs a position of at least its size on the opposite side."""
    held = position.size if new.level.side == "sell" else -position.size
    return (
        None
        if held >= new.level.size
        else f"the bot holds {max(held, ZERO)} and would close {new.level.size}"
    )


def _only_reduces(position: Position, orders: list[LiveOrder], level: Level) -> bool:
    size = sum((o.remaining for o in orders if o.level.side == level.side and not o.level.reduce_only), ZERO)
    return size <= (position.size if level.side == "sell" else -position.size)


def _opening_notional(orders: list[LiveOrder], reducing: Decimal) -> Decimal:
    """Notional of `orders` (sorted, cheapest first) without the first `reducing` units, which only reduce."""
    total = ZERO
    for order in orders:
        closing = min(order.remaining, reducing)
        reducing -= closing
        total += (order.remaining - closing) * order.level.price
    return total


def _price(order: LiveOrder) -> Decimal:
    return order.level.price
