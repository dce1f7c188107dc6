"""A run told again from its journal: the same events must ask for the same orders."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from bots.domain import events
from bots.domain.runner import Decision, Runner, Spec
from bots.domain.snapshot import Snapshot
from bots.sdk.events import Tick


@dataclass(frozen=True, slots=True)
class Entry:
    """What was journalled together: events, and under which version of the inputs they were decided on.

    `tick` is the newest that the runner knew before: ticks that changed nothing else are not journalled.
    """

    number: int
    events: tuple[events.Event, ...]
    tick: Tick | None
    inputs_version: int


def retold(
    spec: Spec, begun: Snapshot, journal: Iterable[Entry], inputs_of: Callable[[int], dict[str, Any]]
) -> Iterator[tuple[Entry, list[Decision]]]:
    """Every decision made once more, entry by entry. `spec` is that of the first, `begun` what the run began from."""
    runner = Runner(spec, begun)
    for entry in journal:
        spec, first = runner.spec, entry.events[0]
        if entry.inputs_version != spec.inputs_version and not isinstance(first, events.InputsChanged):
            inputs = inputs_of(entry.inputs_version)
            spec = replace(spec, inputs=inputs, inputs_version=entry.inputs_version)
        before = replace(runner.snapshot, tick=entry.tick)
        if isinstance(first, events.Claimed):
            runner = Runner(spec, before)  # as its next worker did
        runner.spec, runner.snapshot = spec, before
        yield entry, [runner.on_event(event) for event in entry.events]
