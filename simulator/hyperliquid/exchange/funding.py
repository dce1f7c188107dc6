"""Hourly funding: longs pay shorts when the rate is positive, otherwise the reverse, at the oracle price."""

from simulator.hyperliquid.exchange import margin
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import POPULATION, Exchange
from simulator.hyperliquid.exchange.fixed_point import divided, usd_text
from simulator.hyperliquid.exchange.order_payloads import NO_HASH
from simulator.markets.candles import HOUR
from simulator.markets.numbers import decimal_text

RATE_DECIMALS = 10
RATE_SCALE = 10_000_000_000
MAX_RATE = 4 * RATE_SCALE // 100  # four per cent an hour
MAX_CATCH_UP_HOURS = 24 * 30


def pay_due(exchange: Exchange) -> None:
    """Charge every hour that ended since the last call, including hours in which the venue was not running."""
    last, hour = exchange.funded_until // HOUR, exchange.now // HOUR
    if hour <= last:
        return
    for due in range(max(last + 1, hour - MAX_CATCH_UP_HOURS), hour + 1):
        for account in exchange.accounts.values():
            _pay(exchange, account, due * HOUR)
    exchange.funded_until = hour * HOUR


def pay_now(exchange: Exchange) -> int:
    """Charge one extra hour now. Returns the number of positions charged.

    Every call needs a time of its own, because payments are identified by coin and time. So a second call
    in the same millisecond moves the venue's clock forward by one millisecond.
    """
    accounts = exchange.accounts.values()
    last = max((row.fundings[-1]["time"] for row in accounts if row.fundings), default=0)
    time = exchange.now = max(exchange.now, last + 1)
    for account in accounts:
        _pay(exchange, account, time)
    return sum(1 for account in accounts for _ in margin.open_positions(account))


def hourly_rate(exchange: Exchange, coin: str, time: int) -> int:
    """Hourly funding rate in units of 10 ** -10."""
    rate = round(exchange.market(coin).funding_at(time) * RATE_SCALE)
    return max(-MAX_RATE, min(MAX_RATE, rate))


def _pay(exchange: Exchange, account: Account, time: int) -> None:
    for coin, position in margin.open_positions(account):
        market, rate = exchange.market(coin), hourly_rate(exchange, coin, time)
        payment = divided(position.lots * market.path.price(time) * rate, RATE_SCALE)
        if position.isolated:
            position.raw -= payment
        else:
            account.raw -= payment
        exchange.population.raw += payment
        exchange.touched.accounts.add(POPULATION)
        position.funding_ever += payment
        position.funding_open += payment
        position.funding_change += payment
        delta = {
            "type": "funding",
            "coin": coin,
            "usdc": usd_text(-payment),
            "szi": market.listing.size_text(position.lots),
            "fundingRate": decimal_text(rate, RATE_DECIMALS),
            "nSamples": None,
        }
        row = {"time": time, "hash": NO_HASH, "delta": delta}
        exchange.log("fundings", account.address, row)
        exchange.notify(account.address, "funding", row)
