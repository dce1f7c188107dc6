"""The official SDK's `Exchange`, unmodified, against the running simulator."""

import json
import queue
import secrets
import time
import urllib.error
import urllib.request

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from tests.simulator.control import control_request


def post(url, body):
    request = control_request(url, json.dumps(body).encode(), "POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def wallet_at(venue, usdc=100_000):
    wallet = Account.from_key(secrets.token_hex(32))
    post(f"{venue.control_url}/accounts", {"address": wallet.address, "usdc": usdc})
    return wallet


@pytest.fixture(scope="module")
def info(venue):
    return Info(venue.url, skip_ws=True)


@pytest.fixture
def wallet(venue):
    return wallet_at(venue)


@pytest.fixture
def exchange(venue, wallet):
    return Exchange(wallet, venue.url)


def status_of(answer):
    assert answer["status"] == "ok", answer
    [status] = answer["response"]["data"]["statuses"]
    return status


def below(info, coin, factor=0.9):
    return float(f"{float(info.all_mids()[coin]) * factor:.4g}")


def rest(exchange, coin="BTC", size=0.01, **options):
    price = below(exchange.info, coin)
    status = status_of(exchange.order(coin, True, size, price, {"limit": {"tif": "Gtc"}}, **options))
    return status["resting"]["oid"], price


def eventually(check):
    deadline = time.monotonic() + 60
    while not (found := check()):
        assert time.monotonic() < deadline
    return found


# --- orders ------------------------------------------------------------------------------------
def test_a_limit_order_rests_and_is_cancelled(exchange, info, wallet):
    oid, price = rest(exchange)
    [order] = info.open_orders(wallet.address)
    assert (order["oid"], float(order["limitPx"]), order["side"], order["sz"]) == (oid, price, "B", "0.01")
    assert info.query_order_by_oid(wallet.address, oid)["order"]["status"] == "open"
    assert status_of(exchange.cancel("BTC", oid)) == "success"
    assert info.open_orders(wallet.address) == []
    assert info.query_order_by_oid(wallet.address, oid)["order"]["status"] == "canceled"
    again = status_of(exchange.cancel("BTC", oid))
    assert again == {"error": "Order was never placed, already canceled, or filled. asset=0"}


def test_orders_are_known_by_their_cloid(exchange, info, wallet):
    cloid = Cloid.from_int(42)
    rest(exchange, cloid=cloid)
    found = info.query_order_by_cloid(wallet.address, cloid)
    assert found["order"]["order"]["cloid"] == cloid.to_raw()
    assert status_of(exchange.cancel_by_cloid("BTC", cloid)) == "success"
    assert info.query_order_by_cloid(wallet.address, cloid)["order"]["status"] == "canceled"
    assert info.query_order_by_cloid(wallet.address, Cloid.from_int(7)) == {"status": "unknownOid"}


def test_a_market_order_opens_and_closes_a_position(exchange, info, wallet):
    filled = status_of(exchange.market_open("ETH", True, 0.5))["filled"]
    assert float(filled["totalSz"]) == 0.5
    [row] = info.user_state(wallet.address)["assetPositions"]
    assert row["position"]["szi"] == "0.5"
    assert float(row["position"]["entryPx"]) == pytest.approx(float(filled["avgPx"]), rel=1e-6)
    assert status_of(exchange.market_close("ETH"))["filled"]["totalSz"] == "0.5"
    assert info.user_state(wallet.address)["assetPositions"] == []
    fills = info.user_fills(wallet.address)
    assert {fill["dir"] for fill in fills} == {"Open Long", "Close Long"}
    assert all(fill["crossed"] and fill["feeToken"] == "USDC" for fill in fills)
    assert exchange.market_close("ETH") is None


def test_balances_add_up_after_trading(exchange, info, wallet):
    exchange.market_open("SOL", False, 10)
    exchange.market_close("SOL")
    fills = info.user_fills(wallet.address)
    result = sum(float(fill["closedPnl"]) - float(fill["fee"]) for fill in fills)
    value = float(info.user_state(wallet.address)["marginSummary"]["accountValue"])
    assert value == pytest.approx(100_000 + result, abs=1e-6)


def test_several_orders_in_one_action(exchange, info, wallet):
    requests = [
        {"coin": coin, "is_buy": True, "sz": size, "limit_px": below(info, coin.replace("HYPE/USDC", "@107")),
         "order_type": {"limit": {"tif": "Alo"}}, "reduce_only": False}
        for coin, size in (("BTC", 0.01), ("ETH", 0.1), ("HYPE/USDC", 1))
    ]  # fmt: skip
    statuses = exchange.bulk_orders(requests)["response"]["data"]["statuses"]
    assert "resting" in statuses[0]
    assert "resting" in statuses[1]
    assert statuses[2] == {"error": "Insufficient spot balance asset=10107"}
    open_orders = info.open_orders(wallet.address)
    cancelled = exchange.bulk_cancel([{"coin": row["coin"], "oid": row["oid"]} for row in open_orders])
    assert cancelled["response"]["data"]["statuses"] == ["success", "success"]


def test_an_order_is_modified_under_a_new_oid(exchange, info, wallet):
    oid, _ = rest(exchange)
    lower = below(info, "BTC", 0.85)
    status = status_of(exchange.modify_order(oid, "BTC", True, 0.02, lower, {"limit": {"tif": "Gtc"}}))
    new = status["resting"]["oid"]
    assert new != oid
    [order] = info.open_orders(wallet.address)
    assert (order["oid"], float(order["limitPx"]), order["sz"]) == (new, lower, "0.02")
    response = status_of(exchange.modify_order(oid, "BTC", True, 0.02, lower, {"limit": {"tif": "Gtc"}}))
    assert response == {"error": "Cannot modify canceled or filled order."}


def test_a_stop_and_a_target_follow_the_position(exchange, info, wallet):
    exchange.market_open("ETH", True, 0.5)
    requests = [
        {"coin": "ETH", "is_buy": False, "sz": 0.5, "limit_px": below(info, "ETH", factor),
         "reduce_only": True,
         "order_type": {
             "trigger": {"triggerPx": below(info, "ETH", factor), "isMarket": True, "tpsl": kind}
         }}
        for kind, factor in (("tp", 1.1), ("sl", 0.9))
    ]  # fmt: skip
    statuses = exchange.bulk_orders(requests, grouping="positionTpsl")["response"]["data"]["statuses"]
    assert all("resting" in status for status in statuses)
    orders = info.frontend_open_orders(wallet.address)
    assert {order["orderType"] for order in orders} == {"Take Profit Market", "Stop Market"}
    assert all(order["isPositionTpsl"] and order["reduceOnly"] for order in orders)
    exchange.market_close("ETH")
    assert info.frontend_open_orders(wallet.address) == []


# --- the account -------------------------------------------------------------------------------
def test_leverage_is_changed(exchange, info, wallet):
    assert exchange.update_leverage(5, "ETH", is_cross=False)["status"] == "ok"
    exchange.market_open("ETH", True, 1)
    [row] = info.user_state(wallet.address)["assetPositions"]
    assert row["position"]["leverage"]["type"] == "isolated"
    assert row["position"]["leverage"]["value"] == 5
    assert exchange.update_isolated_margin(100, "ETH")["status"] == "ok"
    assert exchange.update_leverage(99, "ETH") == {"status": "err", "response": "Invalid leverage value"}
    exchange.market_close("ETH")


def test_a_cancel_is_scheduled_and_taken_back(exchange):
    assert exchange.schedule_cancel(int(time.time() * 1000) + 10_000)["status"] == "ok"
    assert exchange.schedule_cancel(None)["status"] == "ok"
    assert exchange.schedule_cancel(int(time.time() * 1000) + 1_000)["status"] == "err"


def test_money_is_sent_and_moved_between_balances(venue, exchange, info, wallet):
    friend = wallet_at(venue, 10)
    assert exchange.usd_transfer(100, friend.address)["status"] == "ok"
    assert info.user_state(friend.address)["withdrawable"] == "110.0"
    assert exchange.usd_class_transfer(500, False)["status"] == "ok"
    [balance] = info.spot_user_state(wallet.address)["balances"]
    assert (balance["coin"], balance["total"], balance["hold"]) == ("USDC", "500.0", "0.0")
    assert exchange.usd_class_transfer(500, True)["status"] == "ok"
    assert info.user_state(wallet.address)["withdrawable"] == "99900.0"
    too_much = exchange.withdraw_from_bridge(1_000_000, wallet.address)
    assert too_much == {"status": "err", "response": "Insufficient balance for withdrawal"}
    kinds = [row["delta"]["type"] for row in info.user_non_funding_ledger_updates(wallet.address, 0)]
    assert kinds == ["deposit", "internalTransfer", "accountClassTransfer", "accountClassTransfer"]


def test_spot_is_bought_and_sold(exchange, info, wallet):
    exchange.usd_class_transfer(1000, False)
    filled = status_of(exchange.market_open("HYPE/USDC", True, 5))["filled"]
    balances = {row["coin"]: row for row in info.spot_user_state(wallet.address)["balances"]}
    assert float(balances["HYPE"]["total"]) == pytest.approx(5 * (1 - 0.0007))
    assert float(balances["USDC"]["total"]) == pytest.approx(1000 - 5 * float(filled["avgPx"]), abs=1e-4)
    price = below(info, "@107", 1.2)
    status = status_of(exchange.order("HYPE/USDC", False, 4, price, {"limit": {"tif": "Gtc"}}))
    assert "resting" in status
    balances = {row["coin"]: row for row in info.spot_user_state(wallet.address)["balances"]}
    assert balances["HYPE"]["hold"] == "4.0"


@pytest.mark.parametrize("name", [None, "bot"])
def test_an_agent_trades_for_its_master(venue, exchange, info, wallet, name):
    answer, key = exchange.approve_agent(name)
    assert answer["status"] == "ok"
    agent = Account.from_key(key)
    assert info.user_role(agent.address) == {"role": "agent", "data": {"user": wallet.address.lower()}}
    trading = Exchange(agent, venue.url, account_address=wallet.address)
    assert "filled" in status_of(trading.market_open("ETH", True, 0.1))
    assert "filled" in status_of(trading.market_close("ETH"))
    oid, _ = rest(trading)
    assert status_of(trading.cancel("BTC", oid)) == "success"
    refused = trading.usd_transfer(1, wallet.address)
    assert refused["response"] == f"Must deposit before performing actions. User: {agent.address.lower()}"
    named = [row["name"] for row in info.extra_agents(wallet.address)]
    assert named == ([name] if name else [])


def test_an_unknown_signer_gets_an_error(venue):
    unknown = Account.from_key(secrets.token_hex(32))
    exchange = Exchange(unknown, venue.url)
    answer = exchange.order("BTC", True, 0.01, 50_000, {"limit": {"tif": "Gtc"}})
    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x")
    assert answer["response"].endswith(" does not exist.")


def test_an_expired_action_is_refused_and_its_nonce_spent(exchange):
    exchange.set_expires_after(int(time.time() * 1000) - 1_000)
    answer = exchange.order("BTC", True, 0.01, 50_000, {"limit": {"tif": "Gtc"}})
    assert answer == {"status": "err", "response": "Action already expired"}


def test_a_sub_account_has_its_own_balances(venue, exchange, info, wallet):
    sub = exchange.create_sub_account("grid")["response"]["data"]
    assert exchange.sub_account_transfer(sub, True, 5_000_000_000)["status"] == "ok"
    trading = Exchange(wallet, venue.url, vault_address=sub)
    assert "filled" in status_of(trading.market_open("ETH", True, 0.1))
    [row] = info.query_sub_accounts(wallet.address)
    assert row["subAccountUser"] == sub
    assert len(row["clearinghouseState"]["assetPositions"]) == 1
    assert info.user_state(wallet.address)["assetPositions"] == []
    foreign = Exchange(wallet_at(venue), venue.url, vault_address=sub)
    assert foreign.market_open("ETH", True, 0.1)["response"] == f"Vault not registered: {sub}"


@pytest.fixture(scope="module")
def streaming(venue):
    info = Info(venue.url, skip_ws=False)
    yield info
    info.disconnect_websocket()


PRIVATE = [
    ("userFills", "userFills", lambda data: data["fills"]),
    ("userEvents", "user", lambda data: data["fills"]),
    ("orderUpdates", "orderUpdates", lambda data: data[0]["status"] == "filled"),
    ("userNonFundingLedgerUpdates", "userNonFundingLedgerUpdates", lambda data: data["isSnapshot"]),
    ("userFundings", "userFundings", lambda data: data["isSnapshot"]),
    ("webData2", "webData2", lambda data: data["clearinghouseState"]["assetPositions"]),
    ("activeAssetData", "activeAssetData", lambda data: data["leverage"]["type"] == "cross"),
]


@pytest.mark.parametrize(("kind", "channel", "is_right"), PRIVATE)
def test_the_sdk_receives_updates_of_its_account(venue, streaming, exchange, wallet, kind, channel, is_right):
    received = queue.Queue()
    subscription = {"type": kind, "user": wallet.address.lower()}
    if kind == "activeAssetData":
        subscription["coin"] = "ETH"
    number = streaming.subscribe(dict(subscription), received.put)
    subscribed(venue, wallet.address.lower())
    exchange.market_open("ETH", True, 0.1)
    while not is_right((message := received.get(timeout=60))["data"]):
        assert message["channel"] == channel
    streaming.unsubscribe(dict(subscription), number)


def subscribed(venue, user):
    """Wait until the venue has registered a subscription of that user."""
    streams = venue.simulator.streams
    eventually(
        lambda: any(topic.user == user for line in list(streams.sessions) for topic in list(line.topics))
    )


def test_the_sums_of_all_accounts_add_up(venue):
    with urllib.request.urlopen(control_request(f"{venue.control_url}/accounts"), timeout=60) as answer:
        assert json.load(answer)["gaps"] == {"cash": 0}


@pytest.mark.parametrize(
    "body", [{}, {"address": "0x1", "usdc": 1}, {"address": "0x" + "1" * 40, "usdc": -1},
             {"address": "0x" + "1" * 40, "usdc": "NaN"}, {"address": "0x" + "1" * 40, "usdc": "x"}],
)  # fmt: skip
def test_funding_that_makes_no_sense_is_a_400(venue, body):
    with pytest.raises(urllib.error.HTTPError) as refusal:
        post(f"{venue.control_url}/accounts", body)
    assert refusal.value.code == 400
    refusal.value.close()
