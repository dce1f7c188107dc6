"""The official SDK, unmodified, against the simulator: every public call and subscription."""

import queue
import time

import pytest
import yaml
from hyperliquid.info import Info

from tests.market.recordings import recorded

CONTEXT = {
    "funding", "openInterest", "prevDayPx", "dayNtlVlm", "premium",
    "oraclePx", "markPx", "midPx", "impactPxs", "dayBaseVlm",
}  # fmt: skip
CANDLE = {"t", "T", "s", "i", "o", "c", "h", "l", "v", "n"}
TRADE = {"coin", "side", "px", "sz", "time", "hash", "tid", "users"}
UNUSED_ADDRESS = "0x" + "1" * 40


@pytest.fixture(scope="module")
def sdk(venue):
    info = Info(venue.url, skip_ws=False)
    yield info
    info.disconnect_websocket()


def cassette(name, kind):
    """The recorded response of the real venue to a request of that type."""
    (path,) = recorded(f"fixtures/hyperliquid_sdk_cassettes/{name}.yaml")
    recording = yaml.safe_load(path.read_text())
    for interaction in recording["interactions"]:
        request = interaction["request"]["body"]
        if f'"{kind}"' in (request if isinstance(request, str) else request.decode()):
            return yaml.safe_load(interaction["response"]["body"]["string"])
    raise AssertionError(f"no {kind} in {name}")


# --- requests ----------------------------------------------------------------------------------
def test_meta_has_the_keys_of_the_recorded_one(sdk):
    simulated = {row["name"]: row for row in sdk.meta()["universe"]}
    recorded = cassette("test_get_info", "meta")["universe"]
    for row in recorded:
        assert set(row) <= set(simulated[row["name"]])
        assert row["szDecimals"] == simulated[row["name"]]["szDecimals"]
    assert [row["name"] for row in recorded] == list(simulated)[: len(recorded)]


def test_mids_name_every_listed_instrument(sdk):
    mids = sdk.all_mids()
    assert len(mids) >= 32
    assert set(mids) >= {"BTC", "kPEPE", "PURR/USDC", "@107"}
    recorded = set(cassette("test_get_all_mids", "allMids")) - {"MATIC", "RNDR", "FTM"}  # delisted since
    assert recorded <= set(mids)
    assert all(float(mid) > 0 and "." in mid for mid in mids.values())


def test_the_book_has_the_shape_of_the_recorded_one(sdk):
    simulated, recorded = sdk.l2_snapshot("DYDX"), cassette("test_get_l2_snapshot", "l2Book")
    if isinstance(recorded, list):  # the recording is of the venue's first year
        recorded = {"coin": "DYDX", "levels": recorded, "time": 0}
    assert set(recorded) <= set(simulated)
    assert set(simulated["levels"][0][0]) == set(recorded["levels"][0][0])
    bids, asks = ([float(level["px"]) for level in side] for side in simulated["levels"])
    assert len(bids) == len(asks) == 20
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]


def test_candles_have_the_shape_of_the_recorded_ones(sdk):
    end = int(time.time() * 1000)
    simulated = sdk.candles_snapshot("kPEPE", "1h", end - 86_400_000, end)
    recorded = cassette("test_get_candles_snapshot", "candleSnapshot")
    assert (
        {frozenset(row) for row in simulated} == {frozenset(row) for row in recorded} == {frozenset(CANDLE)}
    )
    assert [type(simulated[0][key]) for key in sorted(CANDLE)] == [
        type(recorded[0][key]) for key in sorted(CANDLE)
    ]
    assert len(simulated) in (24, 25)


def test_funding_history_has_the_shape_of_the_recorded_one(sdk):
    simulated = sdk.funding_history("BTC", int(time.time() * 1000) - 86_400_000)
    recorded = cassette("test_get_funding_history_None", "fundingHistory")
    assert set(simulated[0]) == set(recorded[0])
    assert len(simulated) in (24, 25)


def test_contexts_have_the_order_of_the_universe(sdk):
    meta, contexts = sdk.meta_and_asset_ctxs()
    assert len(meta["universe"]) == len(contexts)
    assert all(set(context) == CONTEXT for context in contexts)
    delisted = [row for row in meta["universe"] if row.get("isDelisted")]
    assert delisted
    assert all(contexts[meta["universe"].index(row)]["midPx"] is None for row in delisted)


def test_spot_contexts_are_found_by_pair_index(sdk):
    meta, contexts = sdk.spot_meta_and_asset_ctxs()
    for pair in meta["universe"]:
        assert contexts[pair["index"]]["coin"] == pair["name"]
        assert contexts[pair["index"]]["midPx"]
    tokens = meta["tokens"]
    assert [token["index"] for token in tokens] == list(range(len(tokens)))


def test_names_of_pairs_are_mapped_by_the_sdk(sdk):
    assert sdk.name_to_asset("HYPE/USDC") == 10_107
    assert sdk.name_to_asset("PURR/USDC") == 10_000
    assert sdk.name_to_asset("SOL") == 5
    assert sdk.l2_snapshot("HYPE/USDC")["coin"] == "@107"


def test_there_are_no_builder_markets(sdk, venue):
    assert sdk.perp_dexs() == [None]
    Info(venue.url, skip_ws=True, perp_dexs=[""])


def test_an_account_that_never_traded_is_empty(sdk):
    assert sdk.user_state(UNUSED_ADDRESS)["withdrawable"] == "0.0"
    assert sdk.open_orders(UNUSED_ADDRESS) == sdk.user_fills(UNUSED_ADDRESS) == []
    assert sdk.user_role(UNUSED_ADDRESS) == {"role": "missing"}


# --- subscriptions -----------------------------------------------------------------------------
SUBSCRIPTIONS = [
    ({"type": "allMids"}, "allMids", lambda data: set(data) == {"mids"}),
    ({"type": "l2Book", "coin": "ETH"}, "l2Book", lambda data: len(data["levels"][0]) == 20),
    ({"type": "bbo", "coin": "BTC"}, "bbo", lambda data: set(data) == {"coin", "time", "bbo"}),
    ({"type": "trades", "coin": "BTC"}, "trades", lambda data: set(data[0]) == TRADE),
    ({"type": "candle", "coin": "BTC", "interval": "1m"}, "candle", lambda data: set(data) == CANDLE),
    ({"type": "activeAssetCtx", "coin": "SOL"}, "activeAssetCtx", lambda data: set(data["ctx"]) == CONTEXT),
    ({"type": "activeAssetCtx", "coin": "@107"}, "activeSpotAssetCtx", lambda data: data["coin"] == "@107"),
]


@pytest.mark.parametrize(("subscription", "channel", "is_right"), SUBSCRIPTIONS)
def test_every_public_subscription_delivers(sdk, subscription, channel, is_right):
    received = queue.Queue()
    number = sdk.subscribe(dict(subscription), received.put)
    for _ in range(2):
        message = received.get(timeout=60)
        assert message["channel"] == channel
        assert is_right(message["data"])
    assert sdk.unsubscribe(dict(subscription), number)
