"""Fill processing: exact postings to cash, positions, tokens and fees of both sides, with notifications."""

from typing import Any, NamedTuple

from market.domain.matching import OTHER, Filled
from simulator.hyperliquid import wire
from simulator.hyperliquid.exchange import fees, order_payloads
from simulator.hyperliquid.exchange.accounts import Account, Closed, Position
from simulator.hyperliquid.exchange.core import POPULATION, Exchange
from simulator.hyperliquid.exchange.fixed_point import share_of
from simulator.hyperliquid.exchange.orders import Order
from simulator.markets.numbers import decimal_text
from simulator.markets.universe import USDC, Listing
from simulator.markets.world import Market, Trade

MILLIONTHS_OF_SPOT = 100  # a spot pair's notional is in hundred-millionths


class Part(NamedTuple):
    """One account's side of a match. `taker` is true for the order that crossed the book."""

    order: Order
    trade: Trade
    taker: bool


def match_book(exchange: Exchange, market: Market, fill: Filled, trade: Trade) -> None:
    """Post both sides of a match; an order that belongs to no account is one of the synthetic traders'."""
    for oid, is_taker in ((fill.maker_id, False), (fill.taker_id, True)):
        order = exchange.orders.get(oid)
        if order is None:
            side = fill.side if is_taker else OTHER[fill.side]
            _population_book(exchange, market, side, trade)
        else:
            _part_book(exchange, market, Part(order, trade, is_taker))


def _population_book(exchange: Exchange, market: Market, side: str, trade: Trade) -> None:
    lots = trade.lots if side == "buy" else -trade.lots
    exchange.touched.accounts.add(POPULATION)
    if market.listing.is_spot:
        _tokens_move(exchange.population, market.listing, lots, trade.price)
        return
    exchange.population.positions.setdefault(market.listing.coin, Position()).trade(lots, trade.price)
    exchange.population.raw -= lots * trade.price


def _part_book(exchange: Exchange, market: Market, part: Part) -> None:
    order, account = part.order, exchange.accounts[part.order.owner]
    order.remaining -= part.trade.lots
    order.filled += part.trade.lots
    exchange.moved[order.owner, order.coin] = None
    if not part.taker:
        exchange.hit[order.oid] = None
    book = _spot_book if market.listing.is_spot else _perp_book
    row = book(exchange, account, market.listing, part) | _identity(exchange, market.listing, part)
    exchange.log("fills", account.address, row)
    exchange.notify(account.address, "fill", row)
    exchange.touched.orders.add(order.oid)
    if order.twap is not None:
        exchange.notify(account.address, "slice", {"fill": row, "twapId": order.twap})


def _identity(exchange: Exchange, listing: Listing, part: Part) -> dict[str, Any]:
    order, trade = part.order, part.trade
    row: dict[str, Any] = {
        "coin": order.coin,
        "px": listing.price_text(trade.price),
        "sz": listing.size_text(trade.lots),
        "side": order_payloads.SIDES[order.side],
        "time": trade.time,
        "hash": order_payloads.NO_HASH if order.twap is not None else wire.trade_hash(trade),
        "oid": order.oid,
        "crossed": part.taker,
        "tid": trade.id,
        "twapId": order.twap,
    }
    if order.cloid:
        row["cloid"] = order.cloid
    if order.liquidation:
        row["liquidation"] = order.liquidation
    return row


# --- perpetuals --------------------------------------------------------------------------------
def _perp_book(exchange: Exchange, account: Account, listing: Listing, part: Part) -> dict[str, Any]:
    trade, order = part.trade, part.order
    position = exchange.position(account, listing.coin)
    before, notional = position.lots, trade.price * trade.lots
    closed = perp_trade(account, position, order.sign * trade.lots, trade.price)
    rate = fees.fee_rate(account, spot=False, taker=part.taker)
    fee = fees.fee_of(notional, rate)
    extra = fees.builder_fee_of(notional, order.builder[1]) if order.builder else 0
    account.raw -= fee + extra
    exchange.fees["USD"] = exchange.fees.get("USD", 0) + fee + extra
    fees.volume_add(account, notional, trade.time, taker=part.taker)
    row = {
        "startPosition": listing.size_text(before),
        "dir": order_payloads.direction(account, order, before, position.lots),
        "closedPnl": decimal_text(closed.pnl, 6),
        "fee": decimal_text(fee + extra, 6),
        "feeToken": "USDC",
    }
    return row | ({"builderFee": decimal_text(extra, 6)} if extra else {})


def perp_trade(account: Account, position: Position, lots: int, price: int) -> Closed:
    """Buy `lots` (negative: sell) at that price, and adjust the margin of an isolated position."""
    before, value_before = position.lots, position.equity(price)
    closed = position.trade(lots, price)
    if not position.isolated:
        account.raw -= lots * price
        return closed
    position.raw -= lots * price
    released = share_of(value_before, closed.lots, abs(before)) if closed.lots else 0
    opened = abs(lots) - closed.lots
    moved = opened * price // position.leverage - released
    if not position.lots:
        moved = -position.raw
    position.raw += moved
    account.raw -= moved
    return closed


# --- spot --------------------------------------------------------------------------------------
def _tokens_move(account: Account, listing: Listing, lots: int, price: int) -> None:
    _, token, wei = listing.tokens or ("", 0, 0)
    moved = lots * 10 ** (wei - listing.size_decimals)
    account.holding(USDC).total -= lots * price
    base = account.holding(token)
    if lots > 0:
        base.entry += lots * price
    elif base.total:
        base.entry -= share_of(base.entry, -moved, base.total)
    base.total += moved


def _spot_book(exchange: Exchange, account: Account, listing: Listing, part: Part) -> dict[str, Any]:
    trade, order = part.trade, part.order
    name, token, wei = listing.tokens or ("", 0, 0)
    scale = 10 ** (wei - listing.size_decimals)
    before = account.holding(token).total // scale
    basis = account.holding(token).entry
    _tokens_move(account, listing, order.sign * trade.lots, trade.price)
    notional = trade.price * trade.lots
    rate = fees.fee_rate(account, spot=True, taker=part.taker)
    buys = order.side == "buy"
    received, decimals = (trade.lots * scale, wei) if buys else (notional, 8)
    fee = fees.fee_of(received, rate)
    fee += fees.builder_fee_of(received, order.builder[1]) if order.builder else 0
    paid = token if buys else USDC
    account.holding(paid).total -= fee
    exchange.fees[str(paid)] = exchange.fees.get(str(paid), 0) + fee
    fees.volume_add(account, notional // MILLIONTHS_OF_SPOT, trade.time, taker=part.taker)
    pnl = 0 if buys else notional - (basis - account.holding(token).entry)
    return {
        "startPosition": listing.size_text(before),
        "dir": "Buy" if buys else "Sell",
        "closedPnl": decimal_text(pnl, 8),
        "fee": decimal_text(fee, decimals),
        "feeToken": name if buys else "USDC",
    }


# --- liquidation -------------------------------------------------------------------------------
def liquidation_mark(exchange: Exchange, account: Account, market: Market, method: str) -> dict[str, Any]:
    """The `liquidation` field of fills that a liquidation causes."""
    mark = market.listing.price_text(market.mark)
    return {"liquidatedUser": account.address, "markPx": mark, "method": method}


def backstop_book(exchange: Exchange, account: Account, market: Market, position: Position) -> None:
    """Backstop liquidation: the synthetic traders take over the position at the mark price, with its margin."""
    lots, mark, listing = position.lots, market.mark, market.listing
    worth = position.equity(mark) if position.isolated else 0
    closed = perp_trade(account, position, -lots, mark)
    exchange.population.positions.setdefault(listing.coin, Position()).trade(lots, mark)
    exchange.population.raw -= lots * mark
    if not position.isolated:
        last = not any(row.lots and not row.isolated for row in account.positions.values())
        worth = account.raw if last else 0
    account.raw -= worth
    exchange.population.raw += worth
    row = {
        "coin": listing.coin, "px": listing.price_text(mark), "sz": listing.size_text(abs(lots)),
        "side": "A" if lots > 0 else "B", "time": exchange.now, "hash": order_payloads.NO_HASH,
        "oid": exchange.next_oid, "crossed": True, "tid": next(exchange.world.trade_ids()), "twapId": None,
        "startPosition": listing.size_text(lots), "dir": f"Liquidated {'Long' if lots > 0 else 'Short'}",
        "closedPnl": decimal_text(closed.pnl, 6), "fee": "0.0", "feeToken": "USDC",
        "liquidation": liquidation_mark(exchange, account, market, "backstop"),
    }  # fmt: skip
    exchange.next_oid += 1
    exchange.moved[account.address, listing.coin] = None
    exchange.touched.accounts |= {account.address, POPULATION}
    exchange.log("fills", account.address, row)
    exchange.notify(account.address, "fill", row)
