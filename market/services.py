"""Services that write market data. Each function is synchronous and runs in one transaction."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from core.leases import Claim, fence
from market.domain.events import Candle, Trade
from market.domain.instruments import Instrument
from market.models import Instrument as InstrumentRow
from market.models import Venue
from market.venues.rows import REJECTED

logger = logging.getLogger(__name__)

COLUMN_LIMIT = Decimal(10) ** 20  # of a number with 38 digits, 18 of them decimals
RULE_FIELDS = (
    "kind", "base", "quote", "tick_size", "size_step", "significant_figures", "min_notional",
    "min_size", "max_size", "contract_size", "contract_direction", "settle_asset", "max_leverage", "leverage_tiers",
    "status", "listed_at", "expires_at",
)  # fmt: skip
CANDLE_COLUMNS = ("instrument_id", "interval", "open_time", "open", "high", "low", "close", "volume")
TRADE_COLUMNS = ("instrument_id", "trade_id", "time", "price", "size", "side")


def venue_ensure(*, name: str, title: str, simulated: bool) -> Venue:
    """Create or update a venue. Title and `simulated` come from the code; `enabled` stays as stored."""
    venue, _ = Venue.objects.update_or_create(name=name, defaults={"title": title, "simulated": simulated})
    return venue


def instrument_sync(
    *,
    venue: str,
    instruments: Iterable[Instrument],
    claim: Claim | None = None,
    complete: bool = True,
) -> dict[str, int]:
    """Synchronise the rows with the venue's list; instruments that it no longer lists are kept as delisted.

    A list that is not `complete`, because rows of it could not be decoded, delists nothing.
    Returns ids by symbol. `claim` fences the write by the lease of a feed worker. Raises `LeaseLost`.
    """
    listed = {instrument.symbol: instrument for instrument in instruments}
    with transaction.atomic():
        if claim:
            fence(claim)
        rows = {row.symbol: row for row in InstrumentRow.objects.filter(venue_id=venue)}
        InstrumentRow.objects.bulk_create(
            _row(instrument) for symbol, instrument in listed.items() if symbol not in rows
        )
        compared = rows if complete else rows.keys() & listed.keys()
        changed = [rows[symbol] for symbol in compared if _differs(rows[symbol], listed.get(symbol))]
        InstrumentRow.objects.bulk_update(changed, [*RULE_FIELDS, "updated_at"], batch_size=500)
        existing = InstrumentRow.objects.filter(venue_id=venue, symbol__in=listed)
        return dict(existing.values_list("symbol", "pk"))


def _values(instrument: Instrument) -> dict[str, Any]:
    rules = instrument.rules
    return {
        "kind": instrument.kind,
        "base": instrument.base,
        "quote": instrument.quote,
        "tick_size": rules.tick_size,
        "size_step": rules.size_step,
        "significant_figures": rules.significant_figures,
        "min_notional": rules.min_notional,
        "min_size": rules.min_size,
        "max_size": rules.max_size,
        "contract_size": rules.contract_size,
        "contract_direction": rules.direction,
        "settle_asset": instrument.settle_asset,
        "max_leverage": instrument.max_leverage,
        "leverage_tiers": [
            [None if tier.max_notional is None else str(tier.max_notional), tier.max_leverage]
            for tier in instrument.leverage_tiers
        ],
        "status": instrument.status,
        "listed_at": instrument.listed_at,
        "expires_at": instrument.expires_at,
    }


def _row(instrument: Instrument) -> InstrumentRow:
    return InstrumentRow(venue_id=instrument.venue, symbol=instrument.symbol, **_values(instrument))


def _differs(row: InstrumentRow, listed: Instrument | None) -> bool:
    """Update the row in memory; returns True when a field changed."""
    target = _values(listed) if listed else {"status": "delisted"}
    if all(getattr(row, name) == value for name, value in target.items()):
        return False
    for name, value in target.items():
        setattr(row, name, value)
    row.updated_at = timezone.now()
    return True


def candles_store(*, claim: Claim, ids: Mapping[str, int], candles: Iterable[Candle]) -> int:
    """Upsert closed candles; a later revision replaces the stored one. Returns the number of rows written.

    `ids` maps symbols to instrument ids; candles of other symbols are skipped. Raises `LeaseLost`.
    """
    latest = {(c.symbol, c.interval, c.open_time): c for c in candles if c.symbol in ids}
    rows = [
        (ids[c.symbol], c.interval, c.open_time, c.open, c.high, c.low, c.close, c.volume)
        for c in latest.values()
        if _fits(c.open, c.high, c.low, c.close, c.volume)
    ]
    _left_out(claim, "candles", len(latest) - len(rows))
    conflict = (
        "(instrument_id, interval, open_time) DO UPDATE SET open = EXCLUDED.open, high = EXCLUDED.high, "
        "low = EXCLUDED.low, close = EXCLUDED.close, volume = EXCLUDED.volume"
    )
    return _copy(claim, "market_candle", CANDLE_COLUMNS, rows, conflict)


def trades_store(*, claim: Claim, ids: Mapping[str, int], trades: Iterable[Trade]) -> int:
    """Insert public trades; existing ones are kept. Returns rows written. Raises `LeaseLost`."""
    known = [t for t in trades if t.symbol in ids]
    rows = [
        (ids[t.symbol], t.id, t.time, t.price, t.size, t.side)
        for t in known
        if _fits(Decimal(t.price), Decimal(t.size))
    ]
    _left_out(claim, "trades", len(known) - len(rows))
    return _copy(claim, "market_trade", TRADE_COLUMNS, rows, "(instrument_id, time, trade_id) DO NOTHING")


def _fits(*numbers: Decimal) -> bool:
    """Whether the numbers fit their columns. One that does not would fail all rows of the statement."""
    return all(number.is_finite() and abs(number) < COLUMN_LIMIT for number in numbers)


def _left_out(claim: Claim, what: str, count: int) -> None:
    if count:
        REJECTED.labels(str(claim.pk), what).inc(count)
        logger.warning("rows left out: too large to store", extra={"venue": str(claim.pk), "count": count})


def _copy(
    claim: Claim, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], conflict: str
) -> int:
    """COPY into a temporary table, then one INSERT … ON CONFLICT, fenced in the same transaction."""
    if not rows:
        return 0
    names = ", ".join(f'"{name}"' for name in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        fence(claim)
        cursor.execute("DROP TABLE IF EXISTS incoming")
        cursor.execute(
            f"CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA"  # noqa: S608
        )
        # Django does not wrap the errors of `copy`: a connection that ends here is an `OperationalError` of Django.
        with (
            connection.wrap_database_errors,
            cursor.copy(f"COPY incoming ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming ON CONFLICT {conflict}"  # noqa: S608
        )
        return int(cursor.rowcount)
