"""Liquidation: cancel orders, then sell positions to the book, then backstop liquidation."""

from market.domain.events import Side
from simulator.hyperliquid.exchange import fills, margin, order_execution, post_trade, transfers, triggers
from simulator.hyperliquid.exchange.accounts import Account, Position
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import OrderRefused
from simulator.hyperliquid.exchange.fixed_point import usd_text
from simulator.hyperliquid.exchange.orders import Order

LARGE = 100_000 * margin.MILLION  # above this notional a fifth of the position is sold first
FIRST_PART = 5
COOLDOWN = 30_000
REACH = 50  # limit price of liquidation orders, per cent from the mark price
LIQUIDATOR = "0x" + "1" * 40
OpenPositions = list[tuple[str, Position]]


def liquidate_due(exchange: Exchange) -> None:
    """Check the maintenance margin of every account that has positions, and liquidate where it is not covered."""
    for account in list(exchange.accounts.values()):
        open_positions = margin.open_positions(account)
        cross = [(coin, position) for coin, position in open_positions if not position.isolated]
        if cross:
            needed = margin.cross_maintenance(exchange, account)
            _liquidate(exchange, account, cross, margin.cross_equity(exchange, account), needed)
        for coin, position in open_positions:
            if position.isolated:
                market = exchange.market(coin)
                needed = margin.maintenance(market.listing, abs(position.lots) * market.mark)
                _liquidate(exchange, account, [(coin, position)], position.equity(market.mark), needed)


def _liquidate(
    exchange: Exchange, account: Account, open_positions: OpenPositions, equity: int, needed: int
) -> None:
    if equity >= needed:
        return
    coins = {coin for coin, _ in open_positions}
    for order in list(exchange.open_orders(account)):
        if order.live and order.coin in coins:
            order_execution.cancel(exchange, order, "liquidatedCanceled")
    if equity * 3 < needed * 2:
        _notify(exchange, account, open_positions, equity)
        for coin, position in open_positions:
            fills.backstop_book(exchange, account, exchange.market(coin), position)
        post_trade.settle(exchange)
        return
    sold = [_sell(exchange, account, coin, position) for coin, position in open_positions]
    if any(sold):
        account.liquidated_at = exchange.now
        _notify(exchange, account, open_positions, equity)
        post_trade.settle(exchange)


def _sell(exchange: Exchange, account: Account, coin: str, position: Position) -> bool:
    """Send an order for the position, or for its first part; returns false during the cooldown."""
    lots, since = abs(position.lots), exchange.now - account.liquidated_at
    if lots * exchange.market(coin).mark > LARGE:
        if since < COOLDOWN:
            return False
        lots = -(-lots // FIRST_PART) if since > 2 * COOLDOWN else lots
    order = _order(exchange, account, coin, "sell" if position.lots > 0 else "buy", lots)
    order_execution.enter(exchange, order)
    try:
        order_execution.execute(exchange, order)
    except OrderRefused as refusal:
        order_execution.finish(exchange, order, refusal.status or "rejected")
    return True


def _order(exchange: Exchange, account: Account, coin: str, side: Side, lots: int) -> Order:
    market = exchange.market(coin)
    factor = 100 + REACH if side == "buy" else 100 - REACH
    return Order(
        oid=exchange.next_oid, owner=account.address, coin=coin, side=side,
        price=market.listing.floor(market.mark * factor // 100), size=lots, remaining=lots,
        tif="LiquidationMarket", time=exchange.now, reduce_only=True, status_time=exchange.now, reported_size=lots,
        liquidation=fills.liquidation_mark(exchange, account, market, "market"),
    )  # fmt: skip


def _notify(exchange: Exchange, account: Account, open_positions: OpenPositions, equity: int) -> None:
    notional = sum(abs(position.lots) * exchange.market(coin).mark for coin, position in open_positions)
    positions = [
        {"coin": coin, "szi": exchange.market(coin).listing.size_text(position.lots)}
        for coin, position in open_positions
    ]
    delta = {
        "type": "liquidation",
        "liquidatedNtlPos": usd_text(notional),
        "accountValue": usd_text(equity),
        "leverageType": "Isolated" if open_positions[0][1].isolated else "Cross",
        "liquidatedPositions": positions,
    }
    transfers.record(exchange, account, delta)
    event = {
        "lid": exchange.next_oid,
        "liquidator": LIQUIDATOR,
        "liquidated_user": account.address,
        "liquidated_ntl_pos": usd_text(notional),
        "liquidated_account_value": usd_text(equity),
    }
    exchange.notify(account.address, "liquidation", event)


# --- orders that are no longer covered ---------------------------------------------------------
def uncovered_cancel(exchange: Exchange) -> None:
    """Cancel orders at the best price that the account has no margin for: they would be next to match."""
    for account in exchange.accounts.values():
        if not account.open or margin.reserved(exchange, account) <= margin.cross_equity(exchange, account):
            continue
        for order in list(exchange.open_orders(account)):
            if order.rests and not order.reduce_only and _at_touch(exchange, order):
                order_execution.cancel(exchange, order, "marginCanceled")
                if order.filled:
                    triggers.children_arm(exchange, order)


def _at_touch(exchange: Exchange, order: Order) -> bool:
    market = exchange.market(order.coin)
    return not market.listing.is_spot and order.price == market.book.best(order.side)
