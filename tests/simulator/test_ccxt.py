"""The simulator with ccxt and ccxt.pro, unmodified except for their URLs."""

from itertools import pairwise

import ccxt
import ccxt.pro
import pytest

SYMBOL = "BTC/USDC:USDC"
UNUSED_ADDRESS = "0x" + "1" * 40


def addresses(venue):
    return {
        "public": venue.url,
        "private": venue.url,
        "ws": {"public": f"ws{venue.url[4:]}/ws"},
    }


@pytest.fixture(scope="module")
def exchange(venue):
    exchange = ccxt.hyperliquid({"enableRateLimit": False})
    exchange.urls["api"] = addresses(venue)
    yield exchange
    exchange.session.close()


def test_markets_have_the_venues_names_and_steps(exchange):
    markets = exchange.load_markets()
    assert len(markets) >= 35
    assert markets[SYMBOL]["precision"]["amount"] == 1e-05
    assert markets[SYMBOL]["limits"]["leverage"]["max"] == 40
    assert markets["HYPE/USDC"]["id"] == "@107"
    assert markets["PURR/USDC"]["spot"]
    assert not markets["MATIC/USDC:USDC"]["active"]


def test_tickers_have_prices(exchange):
    tickers = exchange.fetch_tickers([SYMBOL, "ETH/USDC:USDC", "HYPE/USDC"])
    assert all(ticker["close"] > 0 and ticker["quoteVolume"] > 0 for ticker in tickers.values())
    assert len(tickers) == 3


def test_the_order_book_is_sorted_and_not_crossed(exchange):
    book = exchange.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["bids"]) == 20


@pytest.mark.parametrize(
    ("symbol", "timeframe"), [(SYMBOL, "1m"), ("HYPE/USDC", "1h"), ("ETH/USDC:USDC", "1d")]
)
def test_candles_are_consecutive(exchange, symbol, timeframe):
    candles = exchange.fetch_ohlcv(symbol, timeframe, limit=100)
    times = [candle[0] for candle in candles]
    step = exchange.parse_timeframe(timeframe) * 1000
    assert {after - before for before, after in pairwise(times)} == {step}
    assert len(candles) >= 99
    assert all(
        low <= min(opened, close) <= max(opened, close) <= high for _, opened, high, low, close, _ in candles
    )


def test_an_unknown_address_has_no_trades(exchange):
    # In this client `fetch_trades` of Hyperliquid means the fills of an address.
    assert exchange.fetch_trades(SYMBOL, params={"user": UNUSED_ADDRESS}) == []


@pytest.fixture
async def streaming(venue):
    exchange = ccxt.pro.hyperliquid({"enableRateLimit": False})
    exchange.urls["api"] = addresses(venue)
    yield exchange
    await exchange.close()


async def test_the_order_book_can_be_watched(streaming):
    book = await streaming.watch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]


async def test_trades_can_be_watched(streaming):
    trades = await streaming.watch_trades(SYMBOL)
    assert trades[-1]["side"] in ("buy", "sell")
    assert trades[-1]["price"] > 0
