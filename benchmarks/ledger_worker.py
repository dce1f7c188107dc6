"""Worker process of the ledger benchmark. `python -m benchmarks.ledger_worker`

Migrates the given database, then reads `{"seconds"}` repeatedly and writes rows.
"""

import itertools
import sys
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import django
import orjson

BATCH = 20
ENTRIES = 4  # per fill: realised PnL and fee, each with its contra entry
SIZE, PRICE, FEE = Decimal("0.001"), Decimal(50_000), Decimal("0.0225")
ASSET = "USDC"


class Writer:
    """Leased wallet, with orders large enough for a batch of fills."""

    def __init__(self) -> None:
        from django.contrib.auth import get_user_model

        from core import leases
        from market.models import Instrument, Venue
        from wallets.models import Wallet

        venue = Venue.objects.create(name="hyperliquid-sim", title="Simulator", simulated=True)
        self.instrument = Instrument.objects.create(
            venue=venue, symbol="BTC", kind="perp", base="BTC", quote=ASSET, size_step=Decimal("0.00001"),
            tick_size=Decimal("0.1"), significant_figures=5, min_notional=10, max_leverage=40,
        )  # fmt: skip
        user = get_user_model().objects.create_user("bench@example.org")
        self.wallet = Wallet.objects.create(
            user=user, venue=venue, label="bench", address="0x" + "1" * 40, status=Wallet.Status.ACTIVE
        )
        self._worker = leases.worker_register(channel="bench")
        (self.claim,) = leases.claim(Wallet, self._worker)
        self._numbers = itertools.count(1)

    def renew(self) -> None:
        from core import leases

        leases.worker_renew(self._worker)

    def order(self) -> Any:
        from wallets.models import Order

        key = uuid.uuid4()
        return Order.objects.create(
            id=key, wallet=self.wallet, instrument=self.instrument, client_id=key, origin="api",
            venue_client_id=f"0x{key.hex}", venue_order_id=str(next(self._numbers)), side="buy", kind="limit",
            tif="gtc", price=PRICE, size=SIZE * BATCH, status="open",
        )  # fmt: skip

    def post(self) -> None:
        """Post a batch of fills of one order through the service."""
        from market.domain.orders import VenueFill
        from wallets import services

        order, profit = self.order(), Decimal("0.01")
        facts = [
            VenueFill(
                symbol="BTC", side="buy", price=PRICE, size=SIZE, time=1_700_000_000_000 + number,
                venue_id=order.venue_order_id, trade_id=str(number), client_id=order.venue_client_id,
                fees=((ASSET, FEE),), closed_pnl=profit, taker=True,
            )
            for number in itertools.islice(self._numbers, BATCH)
        ]  # fmt: skip
        services.account_events_apply(claim=self.claim, facts=facts)

    def insert(self) -> None:
        """Insert the same number of rows into tables without triggers."""
        from django.db import connection, transaction

        with transaction.atomic(), connection.cursor() as cursor:
            for table, count in (("bench_fill", BATCH), ("bench_entry", BATCH * ENTRIES)):
                rows = [(str(self.wallet.pk), "perp", ASSET, PRICE) for _ in range(count)]
                sql = f"INSERT INTO {table} (wallet, account_type, asset, amount) VALUES "  # noqa: S608
                cursor.execute(
                    sql + ",".join(["(%s,%s,%s,%s)"] * count), [cell for row in rows for cell in row]
                )


def measure(name: str, work: Callable[[], None], renew: Callable[[], None], seconds: float) -> dict[str, Any]:
    work()
    batches, began = 0, time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        work()
        batches += 1
        if batches % 20 == 0:
            renew()
    return {
        "name": name,
        "fills_per_s": round(batches * BATCH / elapsed, 1),
        "entries_per_s": round(batches * BATCH * ENTRIES / elapsed, 1),
        "ms_per_batch": round(1000 * elapsed / batches, 2),
        "requests": batches * BATCH,
    }


def main() -> None:
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    with connection.cursor() as cursor:
        for table in ("bench_fill", "bench_entry"):
            cursor.execute(
                f"CREATE TABLE {table} (id bigserial PRIMARY KEY, wallet uuid, account_type text, asset text, amount numeric)"
            )
    writer = Writer()
    while line := sys.stdin.buffer.readline():
        seconds = orjson.loads(line)["seconds"]
        writer.renew()
        rows = [
            measure("cryptotrade", writer.post, writer.renew, seconds),
            measure("inserts", writer.insert, writer.renew, seconds),
        ]
        sys.stdout.buffer.write(orjson.dumps({"rows": rows}) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
