"""Orders with a fake clock: acceptance, rejections and their texts, and notifications."""

from decimal import Decimal

import orjson
import pytest

from market.venues.hyperliquid import signing
from market.venues.hyperliquid.signing import Trigger
from simulator.hyperliquid.exchange.fees import Rules
from tests.simulator.conftest import NOW
from tests.simulator.signed_client import Trader, VenueClient


@pytest.fixture
def venue():
    return VenueClient()


@pytest.fixture
def alice(venue):
    return venue.trader()


def frames_of(venue, trader, kind):
    """Frames that a subscription of that kind receives for the notifications since the last call."""
    topic = venue.private.parse({"type": kind, "user": trader.address})
    notices = [notice for notice in venue.notices if notice.user == trader.address]
    return [orjson.loads(frame)["data"] for frame in venue.private.frames(topic, notices)] if notices else []


def listen(venue):
    venue.notices = venue.account_engine.drain()


def updates(venue, trader):
    return [
        (row["status"], row["order"]["sz"])
        for rows in frames_of(venue, trader, "orderUpdates")
        for row in rows
    ]


# --- time in force -----------------------------------------------------------------------------
def test_a_resting_order_publishes_every_status(venue, alice):
    bob = venue.trader()
    venue.world.markets["BTC"].faults.frozen_until = NOW + 10**9
    inside = venue.top("BTC")[0]
    oid = alice.order("BTC", "buy", inside, "1")["resting"]["oid"]
    listen(venue)
    assert updates(venue, alice) == [("open", "1.0")]
    ahead = venue.world.markets["BTC"].book
    for level in list(ahead.orders()):
        if level.owner == "makers" and level.side == "buy":
            ahead.cancel(level.id)
    bob.order("BTC", "sell", inside, "0.4", tif="Ioc")
    listen(venue)
    assert updates(venue, alice) == [("open", "0.6")]
    [frame] = frames_of(venue, alice, "userFills")
    assert [(fill["sz"], fill["crossed"], fill["oid"]) for fill in frame["fills"]] == [("0.4", False, oid)]
    assert "isSnapshot" not in frame
    bob.order("BTC", "sell", inside, "0.6", tif="Ioc")
    listen(venue)
    assert updates(venue, alice) == [("filled", "0.0")]
    [event] = frames_of(venue, alice, "userEvents")
    assert event["fills"] == frames_of(venue, alice, "userFills")[0]["fills"]
    assert venue.sound()


def test_a_sweep_is_one_frame_of_several_fills(venue, alice):
    ask = venue.top("BTC")[1]
    answer = alice.order("BTC", "buy", ask * Decimal("1.01") // 1, "20", tif="Ioc")["filled"]
    listen(venue)
    [frame] = frames_of(venue, alice, "userFills")
    fills = frame["fills"]
    assert len(fills) >= 3
    assert len({fill["tid"] for fill in fills}) == len(fills)
    assert len({(fill["oid"], fill["hash"], fill["time"]) for fill in fills}) == 1
    assert sum(Decimal(fill["sz"]) for fill in fills) == Decimal(answer["totalSz"])
    [together] = alice.ask("userFills", aggregateByTime=True)
    assert Decimal(together["sz"]) == Decimal(answer["totalSz"])
    assert updates(venue, alice)[-1][0] in ("filled", "canceled")


def test_an_immediate_order_far_away_is_refused(venue, alice):
    answer = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.01", tif="Ioc")
    assert answer == {"error": "Order could not immediately match against any resting orders. asset=0"}
    [row] = alice.ask("historicalOrders")
    assert row["status"] == "iocCancelRejected"


def test_a_post_only_order_that_would_match_names_the_bbo(venue, alice):
    bid, ask = venue.top("BTC")
    answer = alice.order("BTC", "buy", ask, "0.01", tif="Alo")
    assert answer == {
        "error": f"Post only order would have immediately matched, bbo was {bid:f}@{ask:f}. asset=0".replace(
            ".0@", "@"
        ).replace(".0. ", ". ")
    }
    assert alice.ask("historicalOrders")[0]["status"] == "badAloPxRejected"
    assert alice.ask("openOrders") == []


@pytest.mark.parametrize("ack", ["filled", "resting"])
def test_the_response_to_a_partially_filled_order_is_configurable(ack):
    venue = VenueClient(Rules(partial_ack=ack))
    alice = venue.trader(100_000_000)
    answer = alice.order("DOGE", "buy", venue.top("DOGE")[1], "5000000")
    assert list(answer) == [ack]
    [order] = alice.ask("openOrders")
    filled = sum(Decimal(fill["sz"]) for fill in alice.ask("userFills"))
    assert Decimal(order["sz"]) + filled == 5_000_000
    assert order["origSz"] == "5000000.0"
    assert alice.ask("orderStatus", oid=order["oid"])["order"]["order"]["sz"] == order["sz"]


def test_self_trade_prevention_cancels_the_resting_order(venue, alice):
    venue.world.markets["BTC"].faults.frozen_until = NOW + 10**9
    ask = venue.top("BTC")[1]
    book = venue.world.markets["BTC"].book
    for level in [
        order for order in book.orders() if order.side == "sell" and order.price == book.best("sell")
    ]:
        book.cancel(level.id)
    mine = alice.order("BTC", "sell", ask, "0.01")["resting"]["oid"]
    other = alice.order("BTC", "buy", ask, "0.01")
    assert alice.status(mine) == "selfTradeCanceled"
    assert "resting" in other
    listen(venue)
    assert {"nonUserCancel": [{"coin": "BTC", "oid": mine}]} in frames_of(venue, alice, "userEvents")


def test_a_resting_order_that_the_price_crosses_is_filled_as_maker(venue, alice):
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.99), "0.1")["resting"]["oid"]
    venue.jump("BTC", 0.98)
    assert alice.status(oid) == "filled"
    assert all(not fill["crossed"] for fill in alice.ask("userFills"))
    assert venue.sound()


# --- refusals ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("price", "size", "text", "status"),
    [
        ("90000.5", "0.01", "Price must be divisible by tick size.", "tickRejected"),
        ("90000", "0.0001", "Order must have minimum value of $10.", "minTradeNtlRejected"),
        ("90000", "0", "Order has zero size.", None),
        ("90000", "0.000001", "Order has invalid size.", None),
        ("0", "0.01", "Order has invalid price.", None),
        ("90000", "1000", "Insufficient margin to place order.", "perpMarginRejected"),
    ],
)
def test_orders_are_refused_in_the_venues_words(venue, alice, price, size, text, status):
    assert alice.order("BTC", "buy", price, size) == {"error": f"{text} asset=0"}
    history = [row["status"] for row in alice.ask("historicalOrders")]
    assert history == ([status] if status else [])
    assert alice.ask("openOrders") == []


def test_a_batch_with_one_price_out_of_the_band_gets_one_error(venue, alice):
    good = alice.wire("BTC", "buy", venue.price("BTC", 0.9), "0.01")
    bad = alice.wire("BTC", "buy", "1000", "0.01")
    [error] = alice.orders(good, bad)
    assert error["error"].startswith("Order price cannot be more than 80% away from the reference price")
    assert alice.orders() == [{"error": "Orders are empty."}]
    assert alice.ask("openOrders") == []


def test_a_spot_order_needs_the_tokens_it_gives(venue, alice):
    price = venue.price("@107", 0.9)
    assert alice.order("@107", "buy", price, "1") == {"error": "Insufficient spot balance asset=10107"}
    assert alice.order("@107", "buy", price, "0.01") == {
        "error": "Order must have minimum value of 10 USDC. asset=10107"
    }


def test_reduce_only_never_opens_and_never_reverses_a_position(venue, alice):
    ask = venue.top("ETH")[1]
    answer = alice.order("ETH", "sell", venue.price("ETH", 1.1), "1", reduce_only=True)
    assert answer == {"error": "Reduce only order would increase position. asset=1"}
    alice.order("ETH", "buy", ask * Decimal("1.02") // 1, "1", tif="Ioc")
    rests = alice.order("ETH", "sell", venue.price("ETH", 1.1), "5", reduce_only=True)["resting"]["oid"]
    [order] = alice.ask("openOrders")
    assert order["sz"] == "1.0"
    assert order["reduceOnly"]
    alice.order("ETH", "sell", venue.price("ETH", 0.98), "3", tif="Ioc", reduce_only=True)
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    assert alice.status(rests) == "reduceOnlyCanceled"
    assert venue.sound()


@pytest.mark.parametrize(
    "action",
    [
        {"type": "order"}, {"type": "order", "orders": [], "grouping": "x"},
        {"type": "order", "orders": [{"a": 0}], "grouping": "na"},
        {"type": "order", "orders": [{"a": 0, "b": True, "p": "NaN", "s": "1", "r": False,
                                      "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"},
        {"type": "order", "orders": [{"a": 0, "b": True, "p": "1.123456789", "s": "1", "r": False,
                                      "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"},
        {"type": "order", "orders": [{"a": 0, "b": True, "p": "-1", "s": "1", "r": False,
                                      "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"},
        {"type": "order", "orders": [{"a": 0, "b": True, "p": "1e30", "s": "1", "r": False,
                                      "t": {"limit": {"tif": "Gtc"}}}], "grouping": "na"},
        {"type": "cancel", "cancels": [{"a": 0, "o": "x"}]}, {"type": "cancelByCloid", "cancels": [{"asset": 0}]},
        {"type": "scheduleCancel", "time": "soon"}, {"type": "batchModify", "modifies": [{"oid": 1}]},
        {"type": "noSuchAction"}, {"type": "twapOrder"}, {"type": "updateLeverage", "asset": 0},
    ],
)  # fmt: skip
def test_a_malformed_action_is_unprocessable_and_changes_nothing(venue, alice, action):
    assert alice.act(action) == 422
    assert venue.account_engine.handle_info({"type": "openOrders", "user": alice.address}).body == []


@pytest.mark.parametrize("body", [None, [], {}, {"action": 1}, {"action": {"type": "noop"}, "nonce": "x"}])
def test_a_body_that_is_no_envelope_is_unprocessable(venue, body):
    assert venue.account_engine.handle_action(body, NOW).status == 422


# --- cancel and modify -------------------------------------------------------------------------
def test_cancelling_tells_what_was_unfilled(venue, alice):
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    assert alice.cancel("BTC", oid) == "success"
    listen(venue)
    assert updates(venue, alice) == [("open", "0.5"), ("canceled", "0.5")]
    assert frames_of(venue, alice, "userEvents") == []


def test_a_foreign_order_cannot_be_cancelled(venue, alice):
    bob = venue.trader()
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    assert "error" in bob.cancel("BTC", oid)
    assert "error" in alice.cancel("ETH", oid)
    assert bob.status(oid) == "unknownOid"
    assert alice.status(oid) == "open"


def test_a_cloid_names_its_latest_order(venue, alice):
    cloid = "0x" + "0" * 31 + "a"
    price = venue.price("BTC", 0.9)
    first = alice.order("BTC", "buy", price, "0.5", client_id=cloid)["resting"]
    assert first["cloid"] == cloid
    assert "error" in alice.order("BTC", "buy", price, "0.5", client_id=cloid)
    alice.cancel("BTC", first["oid"])
    second = alice.order("BTC", "buy", price, "0.6", client_id=cloid)["resting"]["oid"]
    assert alice.ask("orderStatus", oid=cloid.upper().replace("0X", "0x"))["order"]["order"]["oid"] == second


def modify(trader, oid, wire, **more):
    return trader.act({**signing.modify_action([(oid, wire)]), **more})["response"]["data"]["statuses"][0]


def test_a_modified_order_is_post_only_unless_it_is_always_placed(venue, alice):
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    crossing = alice.wire("BTC", "buy", venue.price("BTC", 1.01), "0.1")
    immediate = alice.wire("BTC", "buy", venue.price("BTC", 1.01), "0.1", tif="Ioc")
    assert "error" in modify(alice, oid, immediate)
    assert alice.status(oid) == "open"
    assert modify(alice, oid, crossing)["error"].startswith("Post only order would have")
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    assert "filled" in modify(alice, oid, crossing, a=True)
    other_side = alice.wire("BTC", "sell", venue.price("BTC", 1.1), "0.1")
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    assert "error" in modify(alice, oid, other_side)


def test_modify_of_one_order_answers_default(venue, alice):
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    wire = signing.order_encode(alice.wire("BTC", "buy", venue.price("BTC", 0.8), "0.5"))
    answer = alice.act({"type": "modify", "oid": oid, "order": wire})
    assert answer == {"status": "ok", "response": {"type": "default"}}
    again = alice.act({"type": "modify", "oid": oid, "order": wire})
    assert again == {"status": "err", "response": "Cannot modify canceled or filled order."}


# --- triggers ----------------------------------------------------------------------------------
def long_eth(venue, trader, size="1"):
    return trader.order("ETH", "buy", venue.price("ETH", 1.05), size, tif="Ioc")


def stop(venue, trader, factor, purpose="sl", size="1", **options):
    price = venue.price("ETH", factor)
    trigger = Trigger(price, purpose, **options)
    return trader.wire("ETH", "sell", price, size, reduce_only=True, trigger=trigger)


def test_a_stop_waits_for_the_mark_and_then_sells(venue, alice):
    long_eth(venue, alice)
    [status] = alice.orders(stop(venue, alice, 0.95))
    oid = status["resting"]["oid"]
    [order] = alice.ask("frontendOpenOrders")
    assert order["isTrigger"]
    assert order["triggerCondition"].startswith("Price below ")
    venue.run(1)
    assert alice.status(oid) == "open"
    listen(venue)
    venue.jump("ETH", 0.94)
    listen(venue)
    assert alice.status(oid) == "filled"
    assert [status for status, _ in updates(venue, alice)] == ["triggered", "filled"]
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    assert venue.sound()


def test_a_limit_stop_rests_when_it_fires(venue, alice):
    long_eth(venue, alice)
    price = venue.price("ETH", 1.2)
    wire = alice.wire(
        "ETH",
        "sell",
        price,
        "1",
        reduce_only=True,
        trigger=Trigger(venue.price("ETH", 0.95), "sl", market=False),
    )
    [status] = alice.orders(wire)
    venue.jump("ETH", 0.94)
    [order] = alice.ask("frontendOpenOrders")
    assert order["oid"] == status["resting"]["oid"]
    assert order["orderType"] == "Stop Limit"
    assert alice.cancel("ETH", order["oid"]) == "success"


@pytest.mark.parametrize(("factor", "purpose"), [(1.05, "sl"), (0.95, "tp")])
def test_a_trigger_price_that_is_already_reached_is_rejected(venue, alice, factor, purpose):
    long_eth(venue, alice)
    [status] = alice.orders(stop(venue, alice, factor, purpose))
    assert status == {"error": "Invalid TP/SL price. asset=1"}


def test_a_trigger_that_is_not_reduce_only_is_refused_before_anything_else(venue, alice):
    wire = alice.wire("ETH", "sell", "2000", "1", trigger=Trigger(Decimal(2000), "sl"))
    assert alice.orders(wire, alice.wire("ETH", "buy", "2000", "1")) == [
        {"error": "Invalid TP/SL price. asset=1"}
    ]


def test_children_wait_until_their_parent_is_filled(venue, alice):
    parent = alice.wire("ETH", "buy", venue.price("ETH", 0.97), "1")
    children = [stop(venue, alice, 0.9), stop(venue, alice, 1.1, "tp")]
    statuses = alice.orders(parent, *children, grouping="normalTpsl")
    assert statuses[1:] == ["waitingForFill"] * 2
    [order] = alice.ask("frontendOpenOrders")
    assert [child["orderType"] for child in order["children"]] == ["Stop Market", "Take Profit Market"]
    venue.jump("ETH", 0.965)
    assert alice.status(statuses[0]["resting"]["oid"]) == "filled"
    assert {row["orderType"] for row in alice.ask("frontendOpenOrders")} == {
        "Stop Market", "Take Profit Market",
    }  # fmt: skip
    listen(venue)
    venue.jump("ETH", 0.93)
    listen(venue)
    assert {status for status, _ in updates(venue, alice)} == {"triggered", "filled", "siblingFilledCanceled"}
    assert alice.ask("openOrders") == []
    assert alice.ask("clearinghouseState")["assetPositions"] == []


def test_children_go_with_a_parent_that_is_cancelled(venue, alice):
    parent = alice.wire("ETH", "buy", venue.price("ETH", 0.9), "1")
    statuses = alice.orders(parent, stop(venue, alice, 0.8), grouping="normalTpsl")
    oid = statuses[0]["resting"]["oid"]
    assert alice.cancel("ETH", oid) == "success"
    assert alice.status(oid + 1) == "canceled"


def test_children_of_a_filled_parent_wait_for_their_price(venue, alice):
    parent = alice.wire("ETH", "buy", venue.price("ETH", 1.02), "1", tif="Ioc")
    statuses = alice.orders(parent, stop(venue, alice, 0.9), grouping="normalTpsl")
    assert "filled" in statuses[0]
    assert statuses[1] == "waitingForTrigger"


def test_a_position_stop_has_the_size_of_the_position(venue, alice):
    long_eth(venue, alice)
    alice.orders(stop(venue, alice, 0.9, size="0"), grouping="positionTpsl")
    long_eth(venue, alice, "2")
    venue.jump("ETH", 0.89)
    assert alice.ask("clearinghouseState")["assetPositions"] == []
    assert alice.ask("historicalOrders")[0]["order"]["origSz"] == "3.0"


# --- scheduled cancel --------------------------------------------------------------------------
def test_a_scheduled_cancel_takes_every_order(venue, alice):
    oid = alice.order("BTC", "buy", venue.price("BTC", 0.9), "0.5")["resting"]["oid"]
    alice.act(signing.schedule_cancel_action(venue.now + 5_000))
    venue.run(4.5)
    assert alice.status(oid) == "open"
    listen(venue)
    venue.run(0.6)
    listen(venue)
    assert alice.status(oid) == "scheduledCancel"
    assert {"nonUserCancel": [{"coin": "BTC", "oid": oid}]} in frames_of(venue, alice, "userEvents")


def test_a_scheduled_cancel_fires_at_most_ten_times_a_day(venue, alice):
    for _ in range(10):
        assert alice.act(signing.schedule_cancel_action(venue.now + 5_000))["status"] == "ok"
        venue.run(5.1)
    assert alice.act(signing.schedule_cancel_action(venue.now + 5_000))["status"] == "err"


def test_scheduling_needs_volume_where_the_rule_is_on():
    venue = VenueClient(Rules(schedule_cancel_volume=1_000_000))
    alice = venue.trader()
    alice.order("BTC", "buy", venue.price("BTC", 1.02), "0.01", tif="Ioc")
    answer = alice.act(signing.schedule_cancel_action(venue.now + 5_000))
    traded = sum(Decimal(fill["px"]) * Decimal(fill["sz"]) for fill in alice.ask("userFills"))
    assert answer["response"] == (
        "Cannot set scheduled cancel time until enough volume traded. "
        f"Required: $1000000. Traded: ${float(int(traded * 100) / 100)}."
    )


# --- TWAP --------------------------------------------------------------------------------------
def twap(trader, minutes=5, size="1"):
    params = {"a": 1, "b": True, "s": size, "r": False, "m": minutes, "t": False}
    return trader.act({"type": "twapOrder", "twap": params})["response"]["data"]["status"]


def test_a_twap_buys_in_slices(venue, alice):
    number = twap(alice)["running"]["twapId"]
    venue.run(61)
    [row] = alice.ask("userTwapSliceFills")[:1]
    assert row["twapId"] == number
    assert set(row["fill"]["hash"][2:]) == {"0"}
    venue.run(240)
    assert sum(Decimal(row["fill"]["sz"]) for row in alice.ask("userTwapSliceFills")) == 1
    assert len({row["fill"]["oid"] for row in alice.ask("userTwapSliceFills")}) == 10
    assert [row["status"]["status"] for row in alice.ask("twapHistory")] == ["finished"]
    assert venue.sound()


def test_a_twap_is_terminated(venue, alice):
    number = twap(alice)["running"]["twapId"]
    cancel = {"type": "twapCancel", "a": 1, "t": number}
    assert alice.act(cancel)["response"]["data"]["status"] == "success"
    again = alice.act(cancel)["response"]["data"]["status"]
    assert again == {"error": "TWAP was never placed, already canceled, or filled."}
    assert twap(alice, 1) == {"error": "Invalid TWAP duration: 1 min(s)"}


# --- streams -----------------------------------------------------------------------------------
def test_only_logs_begin_with_a_snapshot(venue, alice):
    long_eth(venue, alice)
    first = {}
    for kind in ("orderUpdates", "userEvents", "userFills", "userFundings", "userNonFundingLedgerUpdates"):
        frame = venue.private.first(venue.private.parse({"type": kind, "user": alice.address}))
        first[kind] = frame and orjson.loads(frame)["data"]
    assert first["orderUpdates"] is first["userEvents"] is None
    assert all(first[kind]["isSnapshot"] for kind in list(first)[2:])
    assert first["userFills"]["fills"] == alice.ask("userFills")
    assert first["userNonFundingLedgerUpdates"]["nonFundingLedgerUpdates"][0]["delta"]["type"] == "deposit"


@pytest.mark.parametrize(
    "kind",
    ["clearinghouseState", "spotState", "openOrders", "twapStates", "userTwapSliceFills", "userTwapHistory",
     "userHistoricalOrders", "webData2", "webData3", "activeAssetData", "allDexsClearinghouseState"],
)  # fmt: skip
def test_every_private_subscription_has_a_state(venue, alice, kind):
    long_eth(venue, alice)
    coin = {"coin": "ETH"} if kind == "activeAssetData" else {}
    topic = venue.private.parse({"type": kind, "user": alice.address.upper().replace("0X", "0x"), **coin})
    data = orjson.loads(venue.private.first(topic))
    assert data["channel"] == kind
    assert alice.address in orjson.dumps(data).decode()


# --- balances ----------------------------------------------------------------------------------
def test_nothing_is_gained_or_lost_over_many_orders(venue, alice):
    bob = venue.trader()
    for number in range(30):
        for trader in (alice, bob):
            side = "buy" if (number + (trader is bob)) % 2 else "sell"
            factor = 1 + (number % 5 - 2) * 0.004
            trader.order("ETH", side, venue.price("ETH", factor), f"{1 + number % 3}")
        venue.run(0.3)
        venue.sound()
    for trader in (alice, bob):
        state = trader.ask("clearinghouseState")
        value = Decimal(state["marginSummary"]["accountValue"])
        fills = trader.ask("userFills")
        booked = sum(Decimal(fill["closedPnl"]) - Decimal(fill["fee"]) for fill in fills)
        open_pnl = sum(Decimal(row["position"]["unrealizedPnl"]) for row in state["assetPositions"])
        assert value == 100_000 + booked + open_pnl
        sizes = sum((1 if fill["side"] == "B" else -1) * Decimal(fill["sz"]) for fill in fills)
        position = sum(Decimal(row["position"]["szi"]) for row in state["assetPositions"])
        assert sizes == position


def test_an_unknown_signer_has_no_account(venue):
    unknown = Trader(venue)
    answer = unknown.act(signing.noop_action())
    assert answer["response"] == f"User or API Wallet {unknown.signer} does not exist."
    assert unknown.signer not in venue.account_engine.exchange.signers
