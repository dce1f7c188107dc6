"""Supervisor of the bots benchmark: `run_worker bots-supervisor` with instrumented decisions.

`python -m benchmarks.bots_worker` writes `{"ready"}`; `{"measure": true}` begins a window, and
`{"measure": false}` ends it and writes the measurements.
"""

import sys
import threading
import time
from array import array
from collections import Counter
from typing import Any
from uuid import UUID

import django
import orjson
import uvloop

MS = 1_000_000  # ns


class Clock:
    """Counts decisions on ticks by run, and the latency from the tick's receipt to its decision and commit (ns)."""

    def __init__(self) -> None:
        self.measuring = False
        self.begin()

    def begin(self) -> None:
        self.decided, self.stored, self.commits = array("q"), array("q"), array("q")
        self.by_run: Counter[UUID] = Counter()

    def instrument(self) -> None:
        """Instrument `Runner.on_event` and `decision_commit` without changing their behaviour."""
        from bots import services
        from bots.domain.events import TickReceived
        from bots.domain.runner import Runner

        decide, commit = Runner.on_event, services.decision_commit

        def on_event(runner: Runner, event: Any) -> Any:
            decision = decide(runner, event)
            if self.measuring and isinstance(event, TickReceived):
                self.decided.append(time.time_ns() - event.now * MS)
                self.by_run[runner.spec.run] += 1
            return decision

        def decision_commit(*, made: Any, **arguments: Any) -> Any:
            began = time.time_ns()
            result = commit(made=made, **arguments)
            if self.measuring:
                self.commits.append(time.time_ns() - began)
                if isinstance(made.events[0], TickReceived):
                    self.stored.append(time.time_ns() - made.events[0].now * MS)
            return result

        Runner.on_event = on_event  # type: ignore[assignment,method-assign]
        services.decision_commit = decision_commit

    def summary(self) -> dict[str, Any]:
        return {
            "bots": len(self.by_run),
            "ticks": len(self.decided),
            "least": min(self.by_run.values(), default=0),
            "stored": len(self.commits),
            "commit_p50_ms": _at(self.commits, 0.5),
            "p50_ms": _at(self.decided, 0.5),
            "p99_ms": _at(self.decided, 0.99),
            "max_ms": _at(self.decided, 1.0),
            "stored_p50_ms": _at(self.stored, 0.5),
            "stored_p99_ms": _at(self.stored, 0.99),
        }


def _at(times: "array[int]", share: float) -> float | None:
    if not times:
        return None
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / MS, 2)


def _read_commands(clock: Clock) -> None:
    for line in sys.stdin.buffer:
        clock.measuring = bool(orjson.loads(line)["measure"])
        if clock.measuring:
            clock.begin()
        else:
            _write_message(clock.summary())


def _write_message(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    django.setup()
    from core.management.commands import run_worker

    clock = Clock()
    clock.instrument()
    threading.Thread(target=_read_commands, args=(clock,), daemon=True).start()
    _write_message({"ready": True})
    uvloop.run(run_worker.run("bots-supervisor"))


if __name__ == "__main__":
    main()
