"""Services of the feed: instruments, candles and trades, fenced by the lease."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import OperationalError, connection

from core import leases
from market import models
from market import services as market_services
from market.domain.events import Candle, Trade
from market.domain.instruments import Instrument, InstrumentRules
from market.services import candles_store, instrument_sync, trades_store, venue_ensure

pytestmark = pytest.mark.django_db

BTC = Instrument(
    "hyperliquid-sim", "BTC", "perp", "BTC", "USDC", InstrumentRules.from_decimals(5, 1, 5, Decimal(10)), 40
)
PURR = Instrument(
    "hyperliquid-sim",
    "PURR/USDC",
    "spot",
    "PURR",
    "USDC",
    InstrumentRules.from_decimals(0, 8, 5, Decimal(10)),
)


@pytest.fixture
def claim():
    venue_ensure(name="hyperliquid-sim", title="Simulator", simulated=True)
    worker = leases.worker_register(channel="market-feed")
    (claim,) = leases.claim(models.Venue, worker)
    return claim


def candle(open_time=60_000, close="2", symbol="BTC"):
    return Candle(
        symbol, "1m", open_time, Decimal(1), Decimal(3), Decimal("0.5"), Decimal(close), Decimal("7.25")
    )


def test_a_venue_keeps_what_an_administrator_set(db):
    venue_ensure(name="hyperliquid-sim", title="Old", simulated=False)
    models.Venue.objects.update(enabled=False)
    venue = venue_ensure(name="hyperliquid-sim", title="Simulator", simulated=True)
    assert (venue.title, venue.simulated, venue.enabled) == ("Simulator", True, False)


def test_listed_instruments_get_rows_with_their_rules(claim):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC, PURR], claim=claim)
    assert ids.keys() == {"BTC", "PURR/USDC"}
    row = models.Instrument.objects.get(symbol="BTC")
    assert (row.size_decimals, row.price_decimals, row.significant_figures) == (5, 1, 5)
    assert (row.min_notional, row.max_leverage, row.trading) == (10, 40, True)


def test_a_second_sync_changes_only_what_changed(claim, django_assert_max_num_queries):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC, PURR])
    before = {row.symbol: row.updated_at for row in models.Instrument.objects.all()}
    again = instrument_sync(venue="hyperliquid-sim", instruments=[replace(BTC, max_leverage=50), PURR])
    rows = {row.symbol: row for row in models.Instrument.objects.all()}
    assert again == ids
    assert rows["BTC"].max_leverage == 50
    assert rows["BTC"].updated_at > before["BTC"]
    assert rows["PURR/USDC"].updated_at == before["PURR/USDC"]


def test_what_is_listed_no_more_stops_trading_but_stays(claim):
    instrument_sync(venue="hyperliquid-sim", instruments=[BTC, PURR])
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC])
    assert ids.keys() == {"BTC"}
    assert models.Instrument.objects.get(symbol="PURR/USDC").trading is False


def test_an_incomplete_list_delists_nothing(claim):
    instrument_sync(venue="hyperliquid-sim", instruments=[BTC, PURR], claim=claim)
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC], claim=claim, complete=False)
    assert ids.keys() == {"BTC"}
    assert models.Instrument.objects.get(symbol="PURR/USDC").status == "trading"


def test_candles_are_written_once_and_revised_by_a_later_word(claim):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC])
    assert candles_store(claim=claim, ids=ids, candles=[candle(), candle(120_000), candle(close="2.5")]) == 2
    assert candles_store(claim=claim, ids=ids, candles=[candle(close="2.75")]) == 1
    rows = models.Candle.objects.order_by("open_time").values_list("open_time", "close", "volume")
    assert list(rows) == [(60_000, Decimal("2.75"), Decimal("7.25")), (120_000, Decimal(2), Decimal("7.25"))]


def test_a_number_too_large_for_its_column_is_left_out_beside_the_others(claim):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC], claim=claim)
    huge = replace(candle(120_000), volume=Decimal(10) ** 21)
    assert candles_store(claim=claim, ids=ids, candles=[huge, candle()]) == 1
    trades = [
        Trade("BTC", price, "1", "buy", 5, f"t{number}")
        for number, price in enumerate(("1" + "0" * 20, "2.5"))
    ]
    assert trades_store(claim=claim, ids=ids, trades=trades) == 1


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_ends_during_copy_is_a_database_error_of_django(claim):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC], claim=claim)

    connection.ensure_connection()
    pid = connection.connection.info.backend_pid

    def rows():
        """The connection ends after COPY has begun."""
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
        for open_time in range(100_000):
            yield ids["BTC"], "1m", open_time, 1, 1, 1, 1, 1

    with pytest.raises(OperationalError):
        market_services._copy(claim, "market_candle", market_services.CANDLE_COLUMNS, rows(), "DO NOTHING")
    connection.close()


def test_candles_of_unknown_instruments_are_left_out(claim):
    assert candles_store(claim=claim, ids={}, candles=[candle()]) == 0
    assert not models.Candle.objects.exists()


def test_known_trades_are_not_written_again(claim):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC])
    trades = [Trade("BTC", "100.5", "0.1", "buy", 5, str(number)) for number in range(3)]
    assert trades_store(claim=claim, ids=ids, trades=trades[:2]) == 2
    assert trades_store(claim=claim, ids=ids, trades=trades) == 1
    assert models.Trade.objects.count() == 3


WRITES = {
    "candles": lambda claim, ids: candles_store(claim=claim, ids=ids, candles=[candle()]),
    "trades": lambda claim, ids: trades_store(
        claim=claim, ids=ids, trades=[Trade("BTC", "1", "1", "buy", 5, "1")]
    ),
    "instruments": lambda claim, ids: instrument_sync(
        venue="hyperliquid-sim", instruments=[PURR], claim=claim
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_worker_that_lost_its_lease_writes_nothing(claim, write):
    ids = instrument_sync(venue="hyperliquid-sim", instruments=[BTC])
    models.Venue.objects.update(owner_epoch=claim.epoch + 1)
    with pytest.raises(leases.LeaseLost):
        write(claim, ids)
    assert models.Instrument.objects.count() == 1
    assert not models.Candle.objects.exists()
    assert not models.Trade.objects.exists()
