from decimal import Decimal

from market.domain.conflate import Conflator
from market.domain.events import Book, Candle, Context, Mids, Quote, Trade, Trades


def conflator(*symbols):
    made = Conflator()
    made.instruments(symbols or ("BTC", "ETH"))
    return made


def minute(close):
    return Candle("BTC", "1m", 60_000, *(Decimal(close),) * 4, Decimal(3))


def test_the_latest_quote_wins_and_the_tick_is_complete():
    ticks = conflator()
    ticks.update(Quote("BTC", "100.0", "101.0", 1))
    ticks.update(Quote("BTC", "100.5", "101.0", 2))
    assert ticks.flush() == {
        "BTC": {
            "bid": "100.5",
            "ask": "101.0",
            "last": None,
            "mark": None,
            "change24h": None,
            "volume24h": None,
            "t": 2,
        }
    }


def test_a_flush_clears_the_changes():
    ticks = conflator()
    ticks.update(Quote("BTC", "1", "2", 1))
    assert ticks.pending()
    ticks.flush()
    assert not ticks.pending()
    assert ticks.flush() == {}


def test_equal_values_are_no_change_even_at_a_later_time():
    ticks = conflator()
    ticks.update(Quote("BTC", "1", "2", 1))
    ticks.flush()
    ticks.update(Quote("BTC", "1", "2", 5))
    assert ticks.flush() == {}
    ticks.update(Quote("BTC", "1", "3", 6))
    assert ticks.flush()["BTC"]["t"] == 6


def test_change_is_per_cent_of_the_last_price_against_the_day_before():
    ticks = conflator()
    ticks.update(Context("BTC", mark="102.0", previous_day="100.0", volume24h="5.5"))
    assert ticks.flush()["BTC"]["change24h"] == "2.0000"  # no trade yet: computed from the mark price
    ticks.update(minute("101.8712"))
    tick = ticks.flush()["BTC"]
    assert (tick["last"], tick["change24h"], tick["volume24h"]) == ("101.8712", "1.8712", "5.5")


def test_a_price_of_zero_yesterday_leaves_the_change_unknown():
    ticks = conflator()
    ticks.update(Context("BTC", mark="1", previous_day="0.0", volume24h="0"))
    assert ticks.flush()["BTC"]["change24h"] is None


def test_small_prices_are_written_without_an_exponent():
    ticks = conflator()
    ticks.update(minute("0.00000012"))
    assert ticks.flush()["BTC"]["last"] == "0.00000012"


def test_the_mid_is_the_last_price_until_the_first_trade():
    ticks = conflator()
    ticks.update(Mids({"BTC": "100.5", "GONE": "1"}))
    assert {s: t["last"] for s, t in ticks.flush().items()} == {"BTC": "100.5"}
    ticks.update(Trades("BTC", (Trade("BTC", "100.0", "1", "buy", 9, "1"),)))
    ticks.update(Mids({"BTC": "100.7"}))
    tick = ticks.flush()["BTC"]
    assert (tick["last"], tick["t"]) == ("100.0", 9)


def test_unknown_instruments_and_books_and_longer_candles_make_no_tick():
    ticks = conflator("BTC")
    ticks.update(Quote("ETH", "1", "2", 1))
    ticks.update(Book("BTC", (), (), 1))
    ticks.update(Trades("BTC", ()))
    ticks.update(Candle("BTC", "5m", 0, *(Decimal(1),) * 5))
    assert ticks.flush() == {}


def test_a_removed_instrument_drops_its_pending_change():
    ticks = conflator()
    ticks.update(Quote("ETH", "1", "2", 1))
    ticks.update(Context("BTC", mark="1", previous_day="1", volume24h="7"))
    ticks.instruments(["BTC"])
    assert list(ticks.flush()) == ["BTC"]
    assert (ticks.volume("BTC"), ticks.volume("ETH")) == (7, 0)
