"""`make bench`: how much our parts do, beside their peers, in one run on this machine."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from cryptotrade.bench import bots, fanout, feed, ledger, orders, report, slow_consumers, tick_to_order
from cryptotrade.bench.options import Options
from cryptotrade.bench.peers import PEERS
from cryptotrade.bench.processes import Bench, BenchError
from cryptotrade.embedded import ServiceUnavailable

BENCHMARKS = {
    "fanout": fanout,
    "slow-readers": slow_consumers,
    "feed": feed,
    "orders": orders,
    "tick-to-order": tick_to_order,
    "ledger": ledger,
    "bots": bots,
}


class Command(BaseCommand):
    help = "Measure fan-out, slow readers, the feed, the order path and bots. Starts all that it needs, on the loopback."
    requires_system_checks: list[str] = []  # noqa: RUF012  it needs neither a database nor secrets

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("benchmark", nargs="?", default="all", choices=[*BENCHMARKS, "all"])
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
        parser.add_argument("--seconds", type=float, help="length of one measurement")
        parser.add_argument("--clients", type=int)
        parser.add_argument("--topics", type=int)
        parser.add_argument("--rate", type=float, help="updates per topic and second")
        parser.add_argument("--runs", type=int, help="medians are taken over these")
        parser.add_argument("--find", action="store_true", help="bots: twice as many until they do not fit")
        names = ", ".join(peer.name for peer in PEERS[1:])
        parser.add_argument("--peers", help=f"which of {names}, with commas between; default: what is here")

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {key: options[key] for key in ("seconds", "clients", "topics", "rate", "runs")}
        asked["peers"] = tuple(options["peers"].split(",")) if options["peers"] else None
        wanted = list(BENCHMARKS) if options["benchmark"] == "all" else [options["benchmark"]]
        try:
            with _sigterm_as_interrupt():
                runs = {name: BENCHMARKS[name].DEFAULTS.given(asked) for name in wanted}
                told = [self._run(name, given, find=options["find"]) for name, given in runs.items()]
        except (BenchError, ServiceUnavailable, ValueError) as problem:
            raise CommandError(str(problem)) from problem
        except KeyboardInterrupt:
            raise CommandError("stopped") from None
        whole = report.together(told) if len(told) > 1 else told[0]
        path = report.keep(settings.VAR_DIR / "bench", whole)
        self._print(told, whole, as_json=options["json"])
        self.stderr.write(f"written to {path}")

    def _run(self, name: str, options: Options, *, find: bool) -> report.Row:
        def say(text: str) -> None:
            self._say(name, text)

        if find and name == "bots":
            return bots.find(options, say)
        with Bench() as bench:
            told: report.Row = BENCHMARKS[name].run(bench, options, say)
        return told

    def _say(self, name: str, text: str) -> None:
        self.stderr.write(f"{name}: {text}")
        self.stderr.flush()

    def _print(self, told: list[report.Row], whole: report.Row, *, as_json: bool) -> None:
        if as_json:
            sys.stdout.write(orjson.dumps(whole).decode() + "\n")
            return
        for one in told:
            self.stdout.write(report.table(one, BENCHMARKS[one["benchmark"]].COLUMNS) + "\n")


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """So that what we started is ended, as with Ctrl-C."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
