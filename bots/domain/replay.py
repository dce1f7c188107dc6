"""Replay of a run from its journal: the same events must produce the same order requests."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bots.domain import events
from bots.domain.runner import Decision, Runner, RunSpec
from bots.domain.snapshot import Snapshot
from bots.sdk.events import Tick


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Journal entry: events of one decision and the version of the inputs that it used.

    `tick` is the newest one before the decision: ticks that changed nothing else are not journalled.
    """

    number: int
    events: tuple[events.Event, ...]
    tick: Tick | None
    inputs_version: int


def replay_journal(
    spec: RunSpec,
    initial: Snapshot,
    journal: Iterable[JournalEntry],
    inputs_of: Callable[[int], dict[str, Any]],
) -> Iterator[tuple[JournalEntry, list[Decision]]]:
    """Repeat every decision by entry, from the first entry's `spec` and the run's `initial` snapshot."""
    runner = Runner(spec, initial)
    for entry in journal:
        spec, first = runner.spec, entry.events[0]
        if entry.inputs_version != spec.inputs_version and not isinstance(first, events.InputsChanged):
            inputs = inputs_of(entry.inputs_version)
            spec = replace(spec, inputs=inputs, inputs_version=entry.inputs_version)
        before = replace(runner.snapshot, tick=entry.tick)
        if isinstance(first, events.Claimed):
            runner = Runner(spec, before)  # a claim started a new runner in the live system as well
        runner.spec, runner.snapshot = spec, before
        yield entry, [runner.on_event(event) for event in entry.events]
