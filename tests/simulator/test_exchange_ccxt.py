"""ccxt with a key, unmodified except for its URLs and for the actions that it sends automatically."""

import json
import secrets
import urllib.request

import ccxt
import pytest
from eth_account import Account

from tests.simulator.control import control_request
from tests.simulator.test_ccxt import SYMBOL, addresses


class Quiet(ccxt.hyperliquid):
    """ccxt that does not approve a builder or set a referrer automatically."""

    def initialize_client(self):
        return True


@pytest.fixture(scope="module")
def exchange(venue):
    wallet = Account.from_key(secrets.token_hex(32))
    body = json.dumps({"address": wallet.address, "usdc": 50_000}).encode()
    with urllib.request.urlopen(control_request(f"{venue.control_url}/accounts", body), timeout=60):
        pass
    exchange = Quiet(
        {
            "enableRateLimit": False,
            "walletAddress": wallet.address,
            "privateKey": wallet.key.hex(),
            "options": {"builderFee": False, "approvedBuilderFee": False, "refSet": True},
        }
    )
    exchange.urls["api"] = addresses(venue)
    exchange.load_markets()
    yield exchange
    exchange.session.close()


def below(exchange, factor=0.9):
    return float(exchange.price_to_precision(SYMBOL, exchange.fetch_ticker(SYMBOL)["last"] * factor))


def test_an_order_is_created_found_and_cancelled(exchange):
    cloid = "0x" + secrets.token_hex(16)
    placed = exchange.create_order(SYMBOL, "limit", "buy", 0.01, below(exchange), {"clientOrderId": cloid})
    found = exchange.fetch_order(placed["id"], SYMBOL)
    assert (found["status"], found["amount"], found["clientOrderId"]) == ("open", 0.01, cloid)
    assert [order["id"] for order in exchange.fetch_open_orders(SYMBOL)] == [placed["id"]]
    exchange.cancel_order(placed["id"], SYMBOL)
    assert exchange.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert exchange.fetch_open_orders(SYMBOL) == []
    with pytest.raises(ccxt.OrderNotFound):
        exchange.cancel_order(placed["id"], SYMBOL)


def test_a_market_order_shows_in_trades_positions_and_balance(exchange):
    last = exchange.fetch_ticker(SYMBOL)["last"]
    placed = exchange.create_order(SYMBOL, "market", "buy", 0.02, last)
    trades = [trade for trade in exchange.fetch_my_trades(SYMBOL) if trade["order"] == placed["id"]]
    assert sum(trade["amount"] for trade in trades) == pytest.approx(0.02)
    [position] = exchange.fetch_positions([SYMBOL])
    assert (position["side"], position["contracts"]) == ("long", 0.02)
    fees = sum(trade["fee"]["cost"] for trade in exchange.fetch_my_trades(SYMBOL))
    total = exchange.fetch_balance()["USDC"]["total"]
    assert total == pytest.approx(50_000 - fees + position["unrealizedPnl"], abs=20)
    exchange.create_order(SYMBOL, "market", "sell", 0.02, last, {"reduceOnly": True})
    assert exchange.fetch_positions([SYMBOL]) == []


def test_rejections_become_errors_of_the_client(exchange):
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(SYMBOL, "limit", "buy", 500, below(exchange))
    with pytest.raises(ccxt.InvalidOrder):
        exchange.create_order(SYMBOL, "limit", "buy", 0.00001, below(exchange, 0.5))
    with pytest.raises(ccxt.OrderNotFound):
        exchange.fetch_order("0x" + "7" * 32, SYMBOL)


def test_leverage_is_set(exchange):
    assert exchange.set_leverage(3, SYMBOL, {"marginMode": "cross"})["status"] == "ok"
