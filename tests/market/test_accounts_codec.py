"""Decoding of account data: exact typed events, or a `ParseError`."""

import contextlib
import itertools
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.errors import ParseError
from market.domain.orders import (
    Accepted,
    AccountState,
    Agent,
    CancelSpec,
    KeyRole,
    ModifySpec,
    OrderSpec,
    Rejected,
    VenueFill,
    VenueFunding,
    VenueOrder,
)
from market.domain.session import Message
from market.venues.hyperliquid import accounts, order_actions, signing
from market.venues.hyperliquid.codec import guarded
from market.venues.hyperliquid.ledger_updates import KINDS, movements_read
from market.venues.hyperliquid.private_streams import PrivateCodec
from market.venues.hyperliquid.responses import rejection_read, rejection_status, statuses_read

D = Decimal
OWN, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20
CLOID = "0x" + "00" * 15 + "2A"
OO = {
    "coin": "ETH",
    "side": "B",
    "limitPx": "2986.3",
    "sz": "0.4",
    "oid": 77,
    "timestamp": 1000,
    "origSz": "1.0",
}
FOO = OO | {
    "triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": [], "isPositionTpsl": False,
    "reduceOnly": False, "orderType": "Limit", "tif": "Gtc", "cloid": CLOID,
}  # fmt: skip
FILL = {
    "coin": "ETH", "px": "2986.3", "sz": "0.5", "side": "A", "time": 5, "startPosition": "-26.86",
    "dir": "Open Short", "closedPnl": "-3.25", "hash": "0x64", "oid": 77, "crossed": False, "fee": "-0.01",
    "tid": 9, "feeToken": "USDC", "twapId": None,
}  # fmt: skip
FUNDING = {"coin": "ETH", "usdc": "-3.6", "szi": "0.5", "fundingRate": "0.0000125", "nSamples": None}


# --- orders --------------------------------------------------------------------------------------
def test_an_open_order_is_decoded_completely():
    assert accounts.open_order_read(FOO) == VenueOrder(
        symbol="ETH", side="buy", kind="limit", tif="gtc", price=D("2986.3"), size=D("1.0"), remaining=D("0.4"),
        venue_id="77", client_id=CLOID.lower(), status="open", raw_status="open", time=1000, status_time=1000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("order_type", "tif", "kind", "ours"),
    [("Limit", "Alo", "limit", "alo"), ("Limit", "Ioc", "limit", "ioc"),
     ("Market", "FrontendMarket", "market", "ioc"), ("Market", "LiquidationMarket", "market", "ioc"),
     ("Stop Market", None, "stop_market", "ioc"), ("Stop Limit", "Gtc", "stop_limit", "gtc"),
     ("Take Profit Market", None, "take_profit_market", "ioc"), ("Take Profit Limit", "Gtc", "take_profit_limit", "gtc")],
)  # fmt: skip
def test_every_order_type_is_mapped(order_type, tif, kind, ours):
    order = accounts.open_order_read(FOO | {"orderType": order_type, "tif": tif})
    assert (order.kind, order.tif) == (kind, ours)


def test_child_orders_are_returned_with_their_trigger_price():
    child = FOO | {
        "oid": 78,
        "isTrigger": True,
        "triggerPx": "2900.0",
        "orderType": "Stop Market",
        "tif": None,
    }
    parent, armed = accounts.open_orders_read([FOO | {"children": [child]}])
    assert (parent.venue_id, parent.trigger_price) == ("77", None)
    assert (armed.venue_id, armed.trigger_price) == ("78", D("2900.0"))


def test_a_stream_update_is_marked_incomplete():
    row = {"order": OO | {"reduceOnly": True}, "status": "marginCanceled", "statusTimestamp": 2000}
    order = accounts.update_read(row)
    assert order.incomplete
    assert (order.status, order.raw_status, order.status_time) == ("cancelled", "marginCanceled", 2000)
    assert order.reduce_only
    assert order.client_id is None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        *((raw, raw) for raw in ("open", "triggered", "filled", "rejected")),
        *((raw, "cancelled") for raw in (
            "canceled", "marginCanceled", "vaultWithdrawalCanceled", "openInterestCapCanceled",
            "selfTradeCanceled", "reduceOnlyCanceled", "siblingFilledCanceled", "delistedCanceled",
            "liquidatedCanceled", "outcomeSettledCanceled", "scheduledCancel", "internalCancel",
        )),
        *((raw, "rejected") for raw in (
            "tickRejected", "minTradeNtlRejected", "perpMarginRejected", "reduceOnlyRejected",
            "badAloPxRejected", "iocCancelRejected", "badTriggerPxRejected", "marketOrderNoLiquidityRejected",
            "positionIncreaseAtOpenInterestCapRejected", "positionFlipAtOpenInterestCapRejected",
            "tooAggressiveAtOpenInterestCapRejected", "openInterestIncreaseRejected",
            "insufficientSpotBalanceRejected", "oracleRejected", "perpMaxPositionRejected",
            "tooManyOpenOrdersRejected",
        )),
    ],
)  # fmt: skip
def test_every_venue_status_is_mapped(raw, status):
    assert accounts.status_read(raw) == status


def test_unknown_words_are_other_and_kept():
    order = accounts.open_order_read(FOO | {"orderType": "Scale", "tif": "Fok"})
    assert (order.kind, order.tif, order.unknown_words) == ("other", "other", "orderType Scale, tif Fok")
    update = accounts.update_read({"order": OO, "status": "frozen", "statusTimestamp": 2000})
    assert (update.status, update.raw_status) == ("other", "frozen")


@pytest.mark.parametrize("raw", ["", None, 3])
def test_a_status_that_is_no_word_is_a_parse_error(raw):
    with pytest.raises(ParseError):
        accounts.status_read(raw)


def test_an_unknown_id_is_no_order():
    assert accounts.order_status_read({"status": "unknownOid"}) is None
    with pytest.raises(ParseError):
        accounts.order_status_read({"status": "maybe"})


# --- fills and payments --------------------------------------------------------------------------
def test_a_fill_keeps_the_signs_of_fee_and_profit():
    assert accounts.fill_read(FILL) == VenueFill(
        symbol="ETH", side="sell", price=D("2986.3"), size=D("0.5"), time=5, venue_id="77", trade_id="9",
        client_id=None, fees=(("USDC", D("-0.01")),), closed_pnl=D("-3.25"), taker=False,
        position_before=D("-26.86"),
    )  # fmt: skip


def test_a_spot_fill_pays_in_the_token_it_received():
    fill = accounts.fill_read(FILL | {"coin": "@107", "side": "B", "fee": "0.00035", "feeToken": "HYPE"})
    assert (fill.symbol, fill.fees) == ("@107", (("HYPE", D("0.00035")),))


def test_a_fill_of_a_liquidation_is_marked():
    marked = {"liquidatedUser": OWN, "markPx": "1.0", "method": "market"}
    assert accounts.fill_read(FILL | {"liquidation": marked}).liquidation


def test_a_fill_that_cannot_be_decoded_is_reported_beside_the_others():
    fills = accounts.fills_read([FILL, FILL | {"sz": "1e3"}])
    assert (len(fills), len(fills.rejected)) == (1, 1)


def test_a_position_that_cannot_be_decoded_leaves_the_cash_of_the_perp_account_unknown():
    spot = {"balances": [{"coin": "PURR", "total": "3.5"}, {"coin": "USDC", "total": None}]}
    found = accounts.account_read(state(position(), position(szi="1e-8")), spot)
    assert len(found.positions) == 1
    assert found.cash == {("spot", "PURR"): D("3.5")}
    assert len(found.rejected) == 2


def test_funding_is_read_alike_from_the_answer_and_from_the_stream():
    answer = {"time": 7, "hash": "0x0", "delta": {"type": "funding", **FUNDING}}
    funding = VenueFunding("ETH", D("-3.6"), "USDC", D("0.0000125"), D("0.5"), 7)
    assert accounts.fundings_read([answer]) == accounts.fundings_read([FUNDING | {"time": 7}]) == [funding]


# --- movements -----------------------------------------------------------------------------------
def moved(delta, account=OWN):
    movements = movements_read([{"time": 3, "hash": "0xf", "delta": delta}], account)
    assert movements.rejected == ()
    [movement] = movements
    return movement


PERP, SPOT = ("perp", "USDC"), ("spot", "USDC")
SENT = {"user": OWN, "destination": OTHER}
TOKEN = SENT | {"token": "PURR", "amount": "7.5", "usdcValue": "1.0"}


@pytest.mark.parametrize(
    ("delta", "legs", "fee"),
    [
        ({"type": "deposit", "usdc": "10.5"}, [(*PERP, D("10.5"))], "0"),
        ({"type": "withdraw", "usdc": "9.0", "nonce": 1, "fee": "1.0"}, [(*PERP, D("-9.0"))], "1.0"),
        ({"type": "internalTransfer", "usdc": "5.0", "fee": "1.0", **SENT}, [(*PERP, D("-4.0"))], "1.0"),
        ({"type": "subAccountTransfer", "usdc": "5.0", **SENT}, [(*PERP, D("-5.0"))], "0"),
        ({"type": "accountClassTransfer", "usdc": "4.0", "toPerp": True},
         [(*SPOT, D("-4.0")), (*PERP, D("4.0"))], "0"),
        ({"type": "accountClassTransfer", "usdc": "4.0", "toPerp": False},
         [(*SPOT, D("4.0")), (*PERP, D("-4.0"))], "0"),
        ({"type": "spotTransfer", "fee": "0.2", **TOKEN}, [("spot", "PURR", D("-7.5"))], "0.2"),
        ({"type": "spotTransfer", "fee": "0.0", "nativeTokenFee": "0.5", **TOKEN},
         [("spot", "PURR", D("-7.5")), ("spot", "PURR", D("-0.5"))], "0.0"),
        ({"type": "send", "sourceDex": "", "destinationDex": "spot", "fee": "0.0", **TOKEN, "destination": OWN},
         [("perp", "PURR", D("-7.5")), ("spot", "PURR", D("7.5"))], "0.0"),
        ({"type": "send", "sourceDex": "spot", "destinationDex": "xyz", "fee": "0.0", **TOKEN},
         [("spot", "PURR", D("-7.5"))], "0.0"),
        ({"type": "liquidation", "liquidatedNtlPos": "5.0"}, [], "0"),
        ({"type": "vaultDeposit", "vault": OTHER, "usdc": "5.0"}, [(*PERP, D("-5.0"))], "0"),
        ({"type": "vaultWithdraw", "netWithdrawnUsd": "5.0"}, [(*PERP, D("5.0"))], "0"),
    ],
)  # fmt: skip
def test_a_movement_has_the_legs_of_the_queried_account(delta, legs, fee):
    movement = moved(delta)
    assert (list(movement.legs), movement.fee, movement.kind) == (legs, D(fee), delta["type"])


@pytest.mark.parametrize("kind", ["internalTransfer", "subAccountTransfer", "spotTransfer", "send"])
def test_sender_debit_equals_receiver_credit_and_the_sender_pays_the_fee(kind):
    delta = {
        "type": kind,
        "usdc": "5.0",
        "fee": "1.0",
        "sourceDex": "spot",
        "destinationDex": "spot",
        **TOKEN,
    }
    [out], [into] = moved(delta).legs, moved(delta, OTHER).legs
    assert out[:2] == into[:2]
    assert out[2] == -into[2] < 0
    assert (moved(delta).fee, moved(delta, OTHER).fee) == (D("1.0"), 0)
    assert moved(delta).ref == moved(delta, OTHER).ref


def test_identical_rows_are_separate_movements():
    rows = [{"time": 3, "hash": "0x0", "delta": {"type": "deposit", "usdc": "1.0"}}] * 2
    other = {"time": 3, "hash": "0x0", "delta": {"type": "deposit", "usdc": "2.0"}}
    good = movements_read([*rows, other], OWN)
    again = movements_read([other, *rows], OWN)
    assert len({movement.ref for movement in good}) == 3
    assert {movement.ref for movement in again} == {movement.ref for movement in good}
    assert max(len(movement.ref) for movement in good) < 120


@pytest.mark.parametrize(
    "delta",
    [{"type": "borrowLend", "usdc": "1.0"}, {"type": "deposit"}, {"type": "deposit", "usdc": "-1.0"}, 5,
     {"type": "internalTransfer", "usdc": "5.0", "user": OTHER, "destination": OTHER}],
)  # fmt: skip
def test_an_unknown_movement_is_returned_as_an_error_beside_the_others(delta):
    rows = [
        {"time": 3, "hash": "0x0", "delta": delta},
        {"time": 4, "hash": "0x0", "delta": {"type": "deposit", "usdc": "1.0"}},
    ]
    good = movements_read(rows, OWN)
    assert [movement.time for movement in good] == [4]
    [problem] = good.rejected
    assert isinstance(problem, ParseError)


# --- the account ---------------------------------------------------------------------------------
def position(**more):
    return {
        "type": "oneWay",
        "position": {
            "coin": "ETH", "szi": "-0.5", "leverage": {"type": "cross", "value": 20}, "entryPx": "2986.3",
            "positionValue": "1500.0", "unrealizedPnl": "-6.85", "liquidationPx": None, "marginUsed": "75.0",
        } | more,
    }  # fmt: skip


def state(*positions, value="993.15"):
    return {
        "marginSummary": {"accountValue": value}, "withdrawable": "900.0", "assetPositions": list(positions),
        "time": 8,
    }  # fmt: skip


def test_cash_is_equity_without_unrealised_pnl():
    spot = {"balances": [{"coin": "PURR", "total": "3.5"}, {"coin": "USDC", "total": "500.0"}]}
    found = accounts.account_read(state(position()), spot)
    assert isinstance(found, AccountState)
    assert found.cash == {PERP: D("1000.00"), SPOT: D("500.0"), ("spot", "PURR"): D("3.5")}
    [short] = found.positions
    assert short.cost == D("-1493.15")  # sold for 1493.15, worth 1500 now: 6.85 lost
    assert (found.equity, found.withdrawable, found.leverages) == (D("993.15"), D("900.0"), {"ETH": 20})


def test_cost_of_a_profitable_long_is_below_its_value():
    found = accounts.account_read(state(position(szi="0.5", unrealizedPnl="6.85")), {"balances": []})
    assert found.positions[0].cost == D("1493.15")


@pytest.mark.parametrize(
    ("answer", "role"),
    [({"role": "user"}, KeyRole("user")), ({"role": "missing"}, KeyRole("missing")),
     ({"role": "vault"}, KeyRole("vault")),
     ({"role": "agent", "data": {"user": OTHER.upper().replace("X", "x")}}, KeyRole("agent", OTHER)),
     ({"role": "subAccount", "data": {"master": OTHER}}, KeyRole("sub_account", OTHER))],
)  # fmt: skip
def test_a_key_has_a_role_and_perhaps_a_master(answer, role):
    assert accounts.role_read(answer) == role


def test_agents_expire_at_a_time_or_never():
    rows = [
        {"name": "bot", "address": OTHER, "validUntil": 9},
        {"name": "b", "address": OWN, "validUntil": None},
    ]
    assert accounts.agents_read(rows) == [Agent(OTHER, "bot", 9), Agent(OWN, "b", None)]


# --- answers to actions --------------------------------------------------------------------------
def answered(*statuses):
    return {"status": "ok", "response": {"type": "order", "data": {"statuses": list(statuses)}}}


def test_each_order_has_its_response():
    rows = [
        {"resting": {"oid": 5, "cloid": CLOID}}, {"filled": {"totalSz": "0.02", "avgPx": "1.5", "oid": 6}},
        {"error": "Price must be divisible by tick size. asset=0"}, "waitingForFill", "waitingForTrigger",
    ]  # fmt: skip
    assert statuses_read(answered(*rows), 5) == [
        Accepted("5"), Accepted("6", resting=False, filled=D("0.02")),
        Rejected("Price must be divisible by tick size. asset=0", "tickRejected"), Accepted(), Accepted(),
    ]  # fmt: skip


def test_one_error_for_a_batch_applies_to_each_order():
    assert statuses_read(answered({"error": "no"}), 3) == [Rejected("no")] * 3


@pytest.mark.parametrize("rows", [[], [{"resting": {"oid": 5}}], ["success"] * 3, "success"])
def test_responses_that_do_not_match_the_orders_are_parse_errors(rows):
    body = {"status": "ok", "response": {"data": {"statuses": rows}}}
    with pytest.raises(ParseError):
        statuses_read(body, 2)


def test_rejections_have_the_status_name_of_the_order_history():
    text = "Post only order would have immediately matched, bbo was 1.2345@1.2346. asset=3"
    assert rejection_status(text) == "badAloPxRejected"
    assert rejection_status("Order was never placed, already canceled, or filled. asset=0") == ""
    assert rejection_read({"status": "err", "response": "Invalid nonce: x"}) == "Invalid nonce: x"
    assert rejection_read(answered()) is None


# --- orders as actions ---------------------------------------------------------------------------
ASSETS = {"BTC": 0, "@107": 10107}


def order(kind="limit", tif="gtc", **more):
    return OrderSpec(CLOID, "BTC", "buy", kind, tif, D("100000"), D("0.010"), **more)


@pytest.mark.parametrize(
    ("kind", "tif", "trigger", "written"),
    [("limit", "gtc", None, {"limit": {"tif": "Gtc"}}), ("limit", "alo", None, {"limit": {"tif": "Alo"}}),
     ("limit", "ioc", None, {"limit": {"tif": "Ioc"}}), ("market", "gtc", None, {"limit": {"tif": "Ioc"}}),
     *((kind, "gtc", D("99"), {"trigger": {"isMarket": market, "triggerPx": "99", "tpsl": tpsl}})
       for kind, market, tpsl in (("stop_market", True, "sl"), ("stop_limit", False, "sl"),
                                  ("take_profit_market", True, "tp"), ("take_profit_limit", False, "tp")))],
)  # fmt: skip
def test_every_order_type_is_encoded(kind, tif, trigger, written):
    action = order_actions.place_action([order(kind, tif, trigger_price=trigger)], ASSETS)
    assert action["orders"] == [
        {"a": 0, "b": True, "p": "100000", "s": "0.01", "r": False, "t": written, "c": CLOID.lower()}
    ]
    assert action["grouping"] == "na"


def test_a_place_action_has_the_hash_of_the_golden_vector():
    action = order_actions.place_action([order()], ASSETS)
    hashed = signing.action_hash(action, 1700000000000, expires_after=1700000005000)
    assert hashed.hex() == "84054f6dd743550d1e503162f518433c937a9d2f3bfb355ca7b504bcf5b9553a"


def test_cancels_go_by_the_venues_ids_where_all_are_known():
    known, ours = CancelSpec("BTC", CLOID, "5"), CancelSpec("@107", CLOID)
    assert order_actions.cancel_action([known], ASSETS) == {"type": "cancel", "cancels": [{"a": 0, "o": 5}]}
    by_ours = order_actions.cancel_action([known, ours], ASSETS)["cancels"]
    assert by_ours == [{"asset": 0, "cloid": CLOID.lower()}, {"asset": 10107, "cloid": CLOID.lower()}]
    with pytest.raises(ValueError, match="both venue ids and client ids"):
        order_actions.cancel_action([ours, CancelSpec("BTC", venue_id="5")], ASSETS)


def test_a_modify_does_not_place_closed_orders_again():
    action = order_actions.modify_action([ModifySpec(CancelSpec("BTC", venue_id="5"), order())], ASSETS)
    assert action.keys() == {"type", "modifies"}
    assert action["modifies"][0]["oid"] == 5


# --- any JSON ------------------------------------------------------------------------------------
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["1.0", "-2.5", OWN, OTHER, "open", "ETH", "B", "USDC", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
READERS = {
    accounts.update_read: {"order": FOO, "status": "open", "statusTimestamp": 1},
    accounts.open_order_read: FOO,
    accounts.fill_read: FILL,
    accounts.funding_read: FUNDING | {"time": 7},
    accounts.role_read: {"role": "agent", "data": {"user": OWN}},
    accounts.action_quota_read: {"nRequestsUsed": 1, "nRequestsCap": 2},
    lambda raw: accounts.account_read(raw, {"balances": []}): state(position()),
    lambda raw: accounts.account_read(state(raw), {"balances": []}): position(),
    lambda raw: accounts.account_read(state(), raw): {"balances": [{"coin": "USDC", "total": "1.0"}]},
    lambda raw: statuses_read(raw, 2): answered("success", "success"),
    rejection_read: {"status": "err", "response": "no"},
}
CASES = [(read, sample, field) for read, sample in READERS.items() for field in (None, *sample)]


@given(st.sampled_from(CASES), JSON)
def test_any_venue_data_becomes_an_event_or_a_parse_error(case, junk):
    read, sample, field = case
    raw = junk if field is None else sample | {field: junk}
    try:
        found = guarded(lambda: read(raw), raw)
    except ParseError:
        return
    for value in (getattr(found, "price", D(0)), getattr(found, "fee", D(0)), getattr(found, "amount", D(0))):
        assert isinstance(value, Decimal)
        assert value.is_finite()


@given(
    st.sampled_from(KINDS),
    st.dictionaries(
        st.sampled_from(
            ["usdc", "fee", "token", "amount", "user", "destination", "sourceDex", "destinationDex", "toPerp"]
        ),
        JSON,
    ),
)
def test_any_movement_has_exact_legs_or_is_a_parse_error(kind, fields):
    rows = [{"time": 1, "hash": "0x0", "delta": {"type": kind} | fields}]
    good = movements_read(rows, OWN)
    assert len(good) + len(good.rejected) == 1
    for amount in itertools.chain.from_iterable((leg[2] for leg in movement.legs) for movement in good):
        assert isinstance(amount, Decimal)
        assert amount


@given(JSON)
def test_any_stream_message_is_decoded_ignored_or_a_parse_error(junk):
    for channel in (
        "orderUpdates",
        "userFills",
        "userFundings",
        "userNonFundingLedgerUpdates",
        "subscriptionResponse",
        "error",
        "pong",
        "other",
    ):
        try:
            frame = orjson.dumps({"channel": channel, "data": junk})
        except TypeError:  # an integer that JSON of 64 bits does not have
            return
        with contextlib.suppress(ParseError):
            assert all(isinstance(raw, Message) for raw in PrivateCodec(OWN).decode(frame))
