"""Exports of a bot as files: definition, orders, fills and journal.

Lines are generated one by one, so that a year of fills is never in memory.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bots.models import Bot
from bots.selectors.bots import events_of, inputs_of
from core.formatting import plain
from wallets.selectors import source_fills, source_orders

if TYPE_CHECKING:
    from wallets.models import Fill, Order

FORMAT = "cryptotrade.bot"
VERSION = 1
CHUNK = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # as a first character

ORDER_FIELDS = (
    "id", "client_id", "created_at", "ended_at", "symbol", "side", "kind", "price", "size", "filled", "status",
    "code", "message", "level", "run", "decision", "inputs", "strategy_hash",
)  # fmt: skip
FILL_FIELDS = ("id", "order", "time", "symbol", "side", "price", "size", "fee", "fee_asset", "maker")


def definition_of(bot: Bot) -> dict[str, Any]:
    """The definition that the wizard can import: strategy, instrument, budget and the newest inputs.

    It contains no wallet and no amounts of money held.
    """
    newest = inputs_of(bot)[0]
    return {
        "format": FORMAT, "version": VERSION, "name": bot.name, "strategy": bot.strategy,
        "venue": bot.instrument.venue_id, "symbol": bot.instrument.symbol, "budget": plain(bot.budget),
        "leverage": bot.leverage, "inputs_version": newest.version, "inputs": newest.inputs,
    }  # fmt: skip


def definition_lines(bot: Bot) -> Iterator[str]:
    yield json.dumps(definition_of(bot), indent=2) + "\n"


def order_lines(bot: Bot) -> Iterator[str]:
    return _csv(ORDER_FIELDS, (_order(row) for row in source_orders(bot.pk).iterator(CHUNK)))


def fill_lines(bot: Bot) -> Iterator[str]:
    return _csv(FILL_FIELDS, (_fill(row) for row in source_fills(bot.pk).iterator(CHUNK)))


def journal_lines(bot: Bot) -> Iterator[str]:
    """The journal as JSON lines, oldest first."""
    for row in events_of(bot).order_by("pk").iterator(CHUNK):
        entry = {
            "id": row.pk, "run": row.run_id and str(row.run_id), "number": row.number, "kind": row.kind,
            "text": row.text, "body": row.body, "created_at": row.created_at.isoformat(),
        }  # fmt: skip
        yield json.dumps(entry, separators=(",", ":")) + "\n"


# Export name → (file extension, content type, line generator).
EXPORTS: dict[str, tuple[str, str, Callable[[Bot], Iterator[str]]]] = {
    "definition": ("json", "application/json", definition_lines),
    "orders": ("csv", "text/csv", order_lines),
    "fills": ("csv", "text/csv", fill_lines),
    "journal": ("jsonl", "application/x-ndjson", journal_lines),
}


class _LineWriter:
    """File-like object for `csv.writer` that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_LineWriter())
    yield writer.writerow(head)
    for row in rows:
        yield writer.writerow([_cell(value) for value in row])


def _cell(value: object) -> Any:
    """Quote text that a spreadsheet would evaluate as a formula; numbers are left as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _order(row: "Order") -> tuple[Any, ...]:
    provenance = row.provenance
    return (
        row.pk, row.client_id, row.created_at.isoformat(), row.ended_at and row.ended_at.isoformat(),
        row.instrument.symbol, row.side, row.kind, plain(row.price), plain(row.size), plain(row.filled),
        row.status, row.code, row.message, provenance.get("level"), provenance.get("run"),
        provenance.get("n"), provenance.get("inputs"), provenance.get("code"),
    )  # fmt: skip


def _fill(row: "Fill") -> tuple[Any, ...]:
    return (
        row.pk, row.order_id, row.time, row.instrument.symbol, row.side, plain(row.price), plain(row.size),
        plain(row.fee), row.fee_asset, not row.taker,
    )  # fmt: skip
