"""`/info` as a pure function: responses and errors."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.hyperliquid import info
from tests.simulator.conftest import NOW, small_world

WORLD = small_world()
WORLD.step(NOW + 100)


def ask(**request):
    return info.answer(WORLD, request)


@pytest.mark.parametrize(
    "request_body",
    [
        None, [], "meta", 7, {}, {"type": None}, {"type": 7}, {"type": "nonsense"}, {"type": ["meta"]},
        {"type": "l2Book"}, {"type": "l2Book", "coin": 5},
        {"type": "candleSnapshot"}, {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "7m"}},
        {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1m", "startTime": "x"}},
        {"type": "fundingHistory", "coin": "BTC", "startTime": True},
    ],
)  # fmt: skip
def test_a_malformed_request_is_unprocessable(request_body):
    assert info.answer(WORLD, request_body) == (422, info.UNPROCESSABLE)


@pytest.mark.parametrize("kind", ["l2Book", "recentTrades"])
def test_an_unknown_coin_is_null(kind):
    assert ask(type=kind, coin="NOSUCH") == (200, None)


def test_an_unknown_dex_is_null():
    assert ask(type="meta", dex="xyz") == (200, None)
    assert ask(type="meta", dex="").status == 200


@pytest.mark.parametrize(
    ("figures", "mantissa"),
    [
        (1, None),
        (6, None),
        (0, None),
        ("5", None),
        (5.0, None),
        (True, None),
        (4, 2),
        (5, 3),
        (5, 2.0),
        (None, 5),
    ],
)
def test_an_aggregation_out_of_range_is_a_500(figures, mantissa):
    assert ask(type="l2Book", coin="BTC", nSigFigs=figures, mantissa=mantissa) == (500, None)


@pytest.mark.parametrize(
    ("figures", "mantissa", "step"),
    [(5, None, 1), (5, 2, 2), (5, 5, 5), (4, None, 10), (3, None, 100), (2, None, 1000)],
)
def test_aggregated_books_lie_on_their_steps_and_lose_nothing(figures, mantissa, step):
    world = small_world(coins=("BTC",))
    full = world.markets["BTC"]
    book = info.answer(
        world, {"type": "l2Book", "coin": "BTC", "nSigFigs": figures, "mantissa": mantissa}
    ).body
    for side, levels in zip(("buy", "sell"), book["levels"], strict=True):
        prices = [float(level["px"]) for level in levels]
        assert len(set(prices)) == len(prices) <= 20
        assert all(price % step == 0 for price in prices)
        inside = [
            level for level in full.levels(side)
            if (level.price / 10 >= prices[-1] if side == "buy" else level.price / 10 <= prices[-1])
        ]  # fmt: skip
        assert sum(level["n"] for level in levels) == sum(level.orders for level in inside)
    assert float(book["levels"][0][0]["px"]) <= full.best("buy").price / 10
    assert float(book["levels"][1][0]["px"]) >= full.best("sell").price / 10


INTERVALS = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_documented_interval_has_candles(interval):
    reply = ask(
        type="candleSnapshot",
        req={"coin": "BTC", "interval": interval, "startTime": NOW - 90 * 86_400_000, "endTime": NOW},
    )
    assert 3 <= len(reply.body) <= 5000
    for before, after in pairwise(reply.body):
        assert after["t"] == before["T"] + 1
    assert reply.body[-1]["t"] <= NOW <= reply.body[-1]["T"]


def test_a_range_in_the_future_has_no_candles():
    request = {
        "coin": "BTC",
        "interval": "1m",
        "startTime": NOW + 86_400_000,
        "endTime": NOW + 2 * 86_400_000,
    }
    assert ask(type="candleSnapshot", req=request) == (200, [])


def test_a_candle_request_ends_where_it_says():
    request = {"coin": "BTC", "interval": "1m", "startTime": NOW - 600_000, "endTime": NOW - 300_000}
    rows = ask(type="candleSnapshot", req=request).body
    assert rows[0]["t"] <= NOW - 600_000 <= rows[0]["T"]
    assert rows[-1]["t"] <= NOW - 300_000 <= rows[-1]["T"]


def test_recent_trades_are_newest_first():
    world = small_world(coins=("BTC",))
    for number in range(100):
        world.step(NOW + number * 100)
    rows = info.answer(world, {"type": "recentTrades", "coin": "BTC"}).body
    assert len(rows) > 5
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
    assert {row["side"] for row in rows} <= {"A", "B"}
    assert all(len(row["hash"]) == 66 and len(row["users"]) == 2 for row in rows)


def test_funding_history_is_hourly_and_paged():
    rows = ask(type="fundingHistory", coin="ETH", startTime=NOW - 60 * 86_400_000).body
    assert len(rows) == 500
    assert {b["time"] - a["time"] for a, b in pairwise(rows)} == {3_600_000}
    again = ask(type="fundingHistory", coin="ETH", startTime=rows[-1]["time"]).body
    assert again[0] == rows[-1]


def test_predicted_fundings_name_each_perpetual():
    rows = ask(type="predictedFundings").body
    assert [coin for coin, _ in rows] == [
        coin for coin, market in WORLD.markets.items() if not market.listing.is_spot
    ]
    assert set(rows[0][1][0][1]) == {"fundingRate", "nextFundingTime", "fundingIntervalHours"}


def test_the_exchange_tells_its_time():
    assert ask(type="exchangeStatus").body == {"time": WORLD.now, "specialStatuses": None}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["coin", "nSigFigs", "mantissa", "req", "startTime", "endTime", "dex", "interval", "user"]
)
KINDS = st.sampled_from(sorted(info._PUBLIC) + sorted(info._EMPTY_ACCOUNT) + ["other"])


@given(KINDS, st.dictionaries(FIELDS, JSON | st.just("BTC") | st.just("1m"), max_size=5))
@settings(max_examples=300, deadline=None)
def test_no_request_breaks_the_venue(kind, fields):
    reply = info.answer(WORLD, {**fields, "type": kind})
    assert reply.status in (200, 422, 500)
    orjson.dumps(reply.body)
