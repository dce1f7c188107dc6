"""Orders benchmark: the order API compared with an empty view, and orders through execution, on a real stack."""

import asyncio
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.fanout import Print
from benchmarks.processes import Bench, BenchError, Child, free_port, pause
from benchmarks.report import Options, Row, document, median_of, ratio
from core.http import is_ready
from cryptotrade.embedded import services_at

DEFAULTS = Options(seconds=60.0, clients=50, topics=0, rate=0.2, runs=1)
BURST = 20  # orders of each user in one transaction
START_SECONDS, RESPONSE_TIMEOUT, STOP_SECONDS = 180.0, 300.0, 40.0
WITHOUT_LIMITS = {
    f"RATE_LIMIT_{name}": "1000000/60" for name in ("READ", "WRITE", "ORDER", "AUTH", "STREAM_CONNECT")
}
COLUMNS = ("name", "requests", "rate", "p50_ms", "p99_ms", "errors", "orders_per_s")
NOTES = (
    "clients are users with a wallet each; each sends `rate` requests a second without waiting for responses; "
    "a request's time is counted from when it was due",
    "empty: an authenticated view of the same API in the same process, which reads the same body and does nothing",
    "place: a limit order that rests, up to the answer; while it is measured, execution signs and sends the "
    "orders to the simulator on the same cores",
    "execution: orders committed in batches, until the venue has accepted the last of them",
)


def run(bench: Bench, options: Options, say: Print) -> Row:
    """Measure the empty view, orders, the empty view again (the better one counts), then a burst."""
    with ExitStack() as stack:
        bench_stack = stack.enter_context(BenchStack(bench))
        say("starting the stack")
        bench_stack.wait_until_ready()
        say(f"creating wallets of {options.clients} users")
        seed = stack.enter_context(bench_stack.python("orders_seed"))
        seed.send({"users": options.clients})
        users = seed.receive(RESPONSE_TIMEOUT)["users"]
        load = stack.enter_context(bench_stack.python("orders_load"))
        load.send({"url": bench_stack.url, "users": users, "rate": options.rate, "seconds": options.seconds})
        load.receive(RESPONSE_TIMEOUT)
        rows = [_phase(load, name, options, say) for _ in range(options.runs) for name in PHASES]
        say("a burst of orders")
        seed.send({"burst": BURST})
        burst = {**dict.fromkeys(COLUMNS), **seed.receive(RESPONSE_TIMEOUT), "name": "execution"}
    results = [_best(rows, "empty"), median_of([row for row in rows if row["name"] == "place"]), burst]
    empty, place = results[:2]
    by = {f"{name}": ratio(place[f"{name}_ms"], empty[f"{name}_ms"]) for name in ("p50", "p99")}
    return document("orders", asdict(options), results, {"empty view, time": by}, NOTES)


PHASES = ("empty", "place", "empty")


def _phase(load: Child, name: str, options: Options, say: Print) -> Row:
    say(f"{name}: {options.clients} users, {options.rate:g} requests a second each")
    load.send({"phase": name})
    row: Row = load.receive(options.seconds + RESPONSE_TIMEOUT)
    if row["errors"]:
        raise BenchError(f"{name}: {row['errors']} of {row['requests']} failed: {row['sample']}")
    return row


def _best(rows: list[Row], name: str) -> Row:
    return min((row for row in rows if row["name"] == name), key=lambda row: row["p99_ms"])


class BenchStack:
    """`manage.py up` in the benchmark's folder, with the empty view and without rate limits."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        var = bench.folder / "stack"
        self.environment = bench.environment | {
            "CRYPTOTRADE_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "VENUES": "hyperliquid-sim",
            "PORT": str(self._port),
            "SIMULATOR_PORT": str(free_port()),
            "SIMULATOR_CONTROL_PORT": str(free_port()),
            "MAX_ORDERS_PER_MINUTE": "1000000",
            **WITHOUT_LIMITS,
        }
        self.environment.pop("DATABASE_URL", None)
        self._database_url = services_at(var).database_url
        self._stack = ExitStack()

    def __enter__(self) -> "BenchStack":
        manage = Path(__file__).resolve().parents[1] / "manage.py"
        self._process = self._stack.enter_context(
            self._bench.child(
                "stack",
                [sys.executable, str(manage), "up"],
                core=None,
                environment=self.environment,
                silent=True,
                stop_timeout=STOP_SECONDS,
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_until_ready(self) -> None:
        for _ in range(int(START_SECONDS / 0.5)):
            if asyncio.run(is_ready(self.url, ignored=frozenset())):
                return
            pause(0.5)
        raise BenchError(f"the stack was not ready in {START_SECONDS:g} s; see {self._bench.folder}")

    def python(self, module: str) -> Child:
        """Run a module of this package in the environment of this stack."""
        environment: dict[str, Any] = {**self.environment, "DATABASE_URL": self._database_url}
        command = [sys.executable, "-m", f"benchmarks.{module}"]
        return self._bench.child(module, command, core=None, environment=environment)
