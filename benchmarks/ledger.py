"""Ledger benchmark: fills posted per second through the service into PostgreSQL, compared with plain inserts."""

import sys
from contextlib import ExitStack
from dataclasses import asdict

from benchmarks.fanout import Print
from benchmarks.processes import Bench
from benchmarks.report import Options, Row, document, median_of, ratio
from cryptotrade.embedded import EmbeddedPostgres, services_at

PYTHON = [sys.executable]
DEFAULTS = Options(seconds=5.0, clients=0, topics=0, rate=0.0, runs=3)
TIMEOUT_SECONDS = 300.0
COLUMNS = ("name", "fills_per_s", "entries_per_s", "ms_per_batch", "requests")
NOTES = (
    "one writer, one wallet; a batch is what the execution worker posts at once (20 fills)",
    "cryptotrade: `account_events_apply`: fence, order, fill, position, postings, zero-sum and balances by trigger, one commit",
    "inserts: the same number of fill and entry rows inserted and committed, without anything else",
)


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Medians over the runs. Clients, topics and peers do not apply."""
    rows: list[Row] = []
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(bench.folder)
        postgres.start()
        stack.callback(postgres.stop)
        environment = {**bench.environment, "DATABASE_URL": services_at(bench.folder).database_url}
        with bench.child(
            "ledger", [*PYTHON, "-m", "benchmarks.ledger_worker"], core=None, environment=environment
        ) as worker:
            for number in range(options.runs):
                say(f"run {number + 1}/{options.runs}")
                worker.send({"seconds": options.seconds})
                rows += worker.receive(TIMEOUT_SECONDS)["rows"]
    results = [median_of([row for row in rows if row["name"] == name]) for name in ("cryptotrade", "inserts")]
    by = {"fills": ratio(results[0]["fills_per_s"], results[1]["fills_per_s"])}
    return document("ledger", asdict(options), results, {"bare inserts, speed": by}, NOTES)
