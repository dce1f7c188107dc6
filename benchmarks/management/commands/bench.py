"""`make bench`: benchmarks of the application's parts and of comparable software, in one run."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from benchmarks import bots, fanout, feed, ledger, orders, report, slow_consumers, tick_to_order
from benchmarks.peers import PEERS
from benchmarks.processes import Bench, BenchError
from benchmarks.report import Options
from cryptotrade.embedded import ServiceUnavailable

BENCHMARKS = {
    "fanout": fanout,
    "slow-consumers": slow_consumers,
    "feed": feed,
    "orders": orders,
    "tick-to-order": tick_to_order,
    "ledger": ledger,
    "bots": bots,
}


class Command(BaseCommand):
    help = "Measure fan-out, slow consumers, the feed, the order path and bots. Starts all required services on the loopback."
    requires_system_checks: list[str] = []  # noqa: RUF012  needs neither a database nor secrets

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("benchmark", nargs="?", default="all", choices=[*BENCHMARKS, "all"])
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
        parser.add_argument("--seconds", type=float, help="length of one measurement")
        parser.add_argument("--clients", type=int)
        parser.add_argument("--topics", type=int)
        parser.add_argument("--rate", type=float, help="updates per topic and second")
        parser.add_argument("--runs", type=int, help="number of runs; results are medians")
        parser.add_argument(
            "--find-capacity", action="store_true", help="bots: double their number until they do not fit"
        )
        names = ", ".join(peer.name for peer in PEERS[1:])
        parser.add_argument(
            "--peers", help=f"comma-separated list of {names}; default: all that are installed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        overrides = {key: options[key] for key in ("seconds", "clients", "topics", "rate", "runs")}
        overrides["peers"] = tuple(options["peers"].split(",")) if options["peers"] else None
        names = list(BENCHMARKS) if options["benchmark"] == "all" else [options["benchmark"]]
        try:
            with _sigterm_as_interrupt():
                runs = {name: BENCHMARKS[name].DEFAULTS.overridden(overrides) for name in names}
                documents = [
                    self._run(name, given, find=options["find_capacity"]) for name, given in runs.items()
                ]
        except (BenchError, ServiceUnavailable, ValueError) as problem:
            raise CommandError(str(problem)) from problem
        except KeyboardInterrupt:
            raise CommandError("stopped") from None
        document = report.merge_documents(documents) if len(documents) > 1 else documents[0]
        path = report.save(settings.VAR_DIR / "bench", document)
        self._print(documents, document, as_json=options["json"])
        self.stderr.write(f"written to {path}")

    def _run(self, name: str, options: Options, *, find: bool) -> report.Row:
        def say(text: str) -> None:
            self._say(name, text)

        if find and name == "bots":
            return bots.find(options, say)
        with Bench() as bench:
            document: report.Row = BENCHMARKS[name].run(bench, options, say)
        return document

    def _say(self, name: str, text: str) -> None:
        self.stderr.write(f"{name}: {text}")
        self.stderr.flush()

    def _print(self, documents: list[report.Row], document: report.Row, *, as_json: bool) -> None:
        if as_json:
            sys.stdout.write(orjson.dumps(document).decode() + "\n")
            return
        for one in documents:
            self.stdout.write(report.table(one, BENCHMARKS[one["benchmark"]].COLUMNS) + "\n")


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, so that child processes are stopped."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
