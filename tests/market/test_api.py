"""Market API under /api/v1/: response bodies, pagination and the common error format."""

import threading
import time

import pytest
import redis
from django.conf import settings
from django.core.management import call_command

from market import hub
from market.selectors import live
from tests.market import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_redis():
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture
def market():
    return factories.market_make()


@pytest.fixture
def short_wait(monkeypatch):
    monkeypatch.setattr(live.topic_fresh, "__kwdefaults__", {"wait": 0.05})


@pytest.fixture
def no_redis(monkeypatch):
    def refuse(*_args):
        raise redis.ConnectionError("refused")

    for name in ("topic_read", "topic_watch", "venue_statuses"):
        monkeypatch.setattr(hub, name, refuse)


def error_body(answer):
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id", "timestamp", "details"}
    return body["error"]


def test_venues_have_status_age_and_simulated_flag(client, market):
    factories.publish(age_ms=250)
    (venue,) = client.get("/api/v1/venues").json()["results"]
    assert venue["name"] == "hyperliquid-sim"
    assert venue["simulated"] is True
    assert venue["status"] == "live"
    assert 250 <= venue["age_ms"] < 5_000


def test_venue_without_a_report_is_down_with_unknown_age(client, market):
    (venue,) = client.get("/api/v1/venues").json()["results"]
    assert (venue["status"], venue["age_ms"]) == ("down", None)


def test_instruments_page_forward_and_back(client, market):
    first = client.get("/api/v1/instruments?limit=4").json()
    assert set(first) == {"next", "previous", "results"}
    second = client.get(first["next"]).json()
    symbols = [row["symbol"] for row in first["results"] + second["results"]]
    assert sorted(symbols) == sorted([*factories.COINS, "PURR/USDC"])
    assert second["next"] is None
    assert client.get(second["previous"]).json()["results"] == first["results"]


def test_instrument_carries_its_rules(client, market):
    (btc,) = client.get("/api/v1/instruments?q=btc").json()["results"]
    assert btc == {
        "venue": "hyperliquid-sim",
        "symbol": "BTC",
        "simulated": True,
        "kind": "perp",
        "base": "BTC",
        "quote": "USDC",
        "size_decimals": 5,
        "price_decimals": 1,
        "tick_size": "0.1",
        "size_step": "0.00001",
        "significant_figures": 5,
        "min_notional": "0",
        "min_size": "0",
        "max_size": None,
        "contract_size": "1",
        "contract_direction": "linear",
        "settle_asset": "",
        "max_leverage": 40,
        "leverage_tiers": [],
        "status": "trading",
        "trading": True,
        "listed_at": None,
        "expires_at": None,
    }


@pytest.mark.parametrize(
    ("query", "symbols"),
    [("kind=spot", ["PURR/USDC"]), ("q=purr/usdc", ["PURR/USDC"]), ("venue=hyperliquid-sim&q=eth", ["ETH"])],
)
def test_instruments_are_filtered(client, market, query, symbols):
    rows = client.get(f"/api/v1/instruments?{query}").json()["results"]
    assert [row["symbol"] for row in rows] == symbols


def test_ticks_are_those_of_redis(client, market):
    factories.publish()
    rows = client.get("/api/v1/ticks?venue=hyperliquid-sim").json()["results"]
    assert [row["symbol"] for row in rows] == sorted(factories.COINS)
    btc = rows[0]
    assert (btc["last"], btc["change24h"], btc["status"], btc["simulated"]) == (
        "71284",
        "1.8712",
        "live",
        True,
    )


def test_candles_are_ascending_decimal_strings_and_page_into_the_past(client, market):
    factories.candles_make(market.instruments.get(symbol="BTC"), 25)
    url = "/api/v1/candles?venue=hyperliquid-sim&symbol=BTC&interval=15m&limit=10"
    pages = []
    while url:
        page = client.get(url).json()
        pages.insert(0, page["results"])
        url = page["next"]
    times = [candle["t"] for page in pages for candle in page]
    assert len(times) == 25
    assert times == sorted(set(times))
    assert pages[-1][-1]["c"] == "70025"
    assert pages[-1][-1]["v"] == "12.5"


def test_open_candle_ends_the_newest_page_and_no_candle_is_lost_for_it(client, market):
    btc = market.instruments.get(symbol="BTC")
    factories.candles_make(btc, 5)
    opens = btc.candles.order_by("-open_time")[0].open_time + 15 * factories.MINUTE
    row = [opens, "1", "2", "0.5", "1.5", "9"]
    factories.publish(offer=lambda publisher: publisher.queue_candle("BTC", "15m", row))
    url = "/api/v1/candles?venue=hyperliquid-sim&symbol=BTC&interval=15m"
    page = client.get(f"{url}&limit=3").json()
    assert page["results"][-1] == {
        "t": opens,
        "o": "1",
        "h": "2",
        "l": "0.5",
        "c": "1.5",
        "v": "9",
        "closed": False,
    }
    assert len(page["results"]) == 3
    older = client.get(page["next"]).json()["results"]
    assert older[-1]["t"] == page["results"][0]["t"] - 15 * factories.MINUTE


def test_candles_survive_redis(client, market, no_redis):
    factories.candles_make(market.instruments.get(symbol="BTC"), 3)
    answer = client.get("/api/v1/candles?venue=hyperliquid-sim&symbol=BTC&interval=15m")
    assert len(answer.json()["results"]) == 3


def test_book_that_is_watched_is_answered_at_once(client, market):
    factories.publish(offer=lambda publisher: publisher.queue_book("BTC", factories.book()))
    body = client.get("/api/v1/book?venue=hyperliquid-sim&symbol=BTC").json()
    assert body["bids"][0] == ["71283", "1.5"]
    assert body["asks"][0] == ["71285", "1.25"]
    assert body["seq"] == 1
    assert body["simulated"] is True


def test_unwatched_book_is_requested_from_the_feed_and_awaited(client, market):
    factories.publish()
    store = redis.Redis.from_url(settings.REDIS_URL)

    def feed():
        deadline = time.monotonic() + 60
        while (
            not store.zscore("ct:interest:hyperliquid-sim", "book.hyperliquid-sim.BTC")
            and time.monotonic() < deadline
        ):
            threading.Event().wait(0.01)
        factories.publish(offer=lambda publisher: publisher.queue_book("BTC", factories.book()))

    worker = threading.Thread(target=feed)
    worker.start()
    answer = client.get("/api/v1/book?venue=hyperliquid-sim&symbol=BTC")
    worker.join()
    assert answer.status_code == 200
    assert answer.json()["bids"]


def test_book_that_never_arrives_is_unavailable(client, market, short_wait):
    factories.publish()
    answer = client.get("/api/v1/book?venue=hyperliquid-sim&symbol=BTC")
    assert answer.status_code == 503
    assert error_body(answer)["code"] == "SERVICE_UNAVAILABLE"


def test_old_book_is_not_returned_as_current(client, market, short_wait):
    old = int(time.time() * 1000) - 120_000
    factories.publish(offer=lambda publisher: publisher.queue_book("BTC", factories.book(at=old)))
    assert client.get("/api/v1/book?venue=hyperliquid-sim&symbol=BTC").status_code == 503


def test_book_of_a_quiet_market_is_accepted_after_the_wait(client, market, short_wait):
    quiet = int(time.time() * 1000) - 20_000
    factories.publish(offer=lambda publisher: publisher.queue_book("BTC", factories.book(at=quiet)))
    assert client.get("/api/v1/book?venue=hyperliquid-sim&symbol=BTC").status_code == 200


def test_trades_are_oldest_first(client, market):
    items = [factories.trade(number) for number in range(1, 6)]
    factories.publish(offer=lambda publisher: publisher.queue_trades("BTC", items))
    body = client.get("/api/v1/trades?venue=hyperliquid-sim&symbol=BTC").json()
    assert [row["id"] for row in body["results"]] == ["1", "2", "3", "4", "5"]
    assert body["results"][0]["side"] == "buy"
    assert body["seq"] == 5


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("candles?venue=hyperliquid-sim&symbol=BTC&interval=2m", "interval"),
        ("candles?venue=hyperliquid-sim&symbol=BTC", "interval"),
        ("candles?venue=hyperliquid-sim&symbol=BTC&interval=1m&limit=1001", "limit"),
        ("candles?venue=hyperliquid-sim&symbol=BTC&interval=1m&before=x", "before"),
        ("candles?venue=hyperliquid-sim&symbol=BTC&interval=1m&before=99999999999999999999", "before"),
        ("book?venue=hyperliquid-sim", "symbol"),
        ("trades?symbol=BTC", "venue"),
        ("instruments?kind=option", "kind"),
        ("ticks?venue=a%20b", "venue"),
        ("instruments?q=%00", "q"),
    ],
)
def test_bad_parameter_is_named(client, market, path, field):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 400
    error = error_body(answer)
    assert error["code"] == "VALIDATION_ERROR"
    assert field in error["details"]


@pytest.mark.parametrize(
    "path",
    [
        "ticks?venue=nowhere",
        "instruments?venue=nowhere",
        "book?venue=hyperliquid-sim&symbol=NOPE",
        "trades?venue=nowhere&symbol=BTC",
        "candles?venue=hyperliquid-sim&symbol=NOPE&interval=1m",
    ],
)
def test_unknown_venue_or_instrument_is_not_found(client, market, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert error_body(answer)["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "path", ["ticks", "book?venue=hyperliquid-sim&symbol=BTC", "trades?venue=hyperliquid-sim&symbol=BTC"]
)
def test_without_redis_live_values_are_unavailable(client, market, no_redis, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 503
    assert error_body(answer)["code"] == "SERVICE_UNAVAILABLE"


@pytest.mark.parametrize("path", ["venues", "instruments", "ticks", "candles", "book", "trades"])
def test_endpoints_only_read(client, market, path):
    assert client.post(f"/api/v1/{path}", {}).status_code == 405


def test_schema_is_complete_and_without_warnings(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))
    text = (tmp_path / "schema.yml").read_text()
    for path in ("venues", "instruments", "ticks", "candles", "book", "trades"):
        assert f"/api/v1/{path}:" in text
