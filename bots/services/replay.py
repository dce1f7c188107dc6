"""Replay check of a run: compares its journal with the decisions made again from it. Changes nothing.

For audits and for `manage.py chaos`.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from uuid import UUID

from bots.domain.codec import FORMAT, decode
from bots.domain.lifecycle import Status
from bots.domain.replay import JournalEntry, replay_journal
from bots.domain.runner import RunSpec
from bots.domain.snapshot import Snapshot
from bots.models import BotJournalEntry, BotRun
from bots.selectors import bot_terms, strategy_get
from bots.services.runs import StrategyNotFound, describe_requests, inputs_of_version
from bots.services.start_stop import initial_snapshot


class JournalFormatError(Exception):
    """A journal entry has another format than this version writes, and cannot be replayed."""

    def __init__(self, number: int, found: object) -> None:
        super().__init__(f"Journal entry {number} has format {found}; this version replays format {FORMAT}.")


def run_replay(*, run_id: UUID) -> Iterator[str]:
    """Repeat all decisions from the journal; yields a sentence per difference.

    Raises `StrategyNotFound`, and `JournalFormatError` for entries of another format.

    The strategy's code must be that of the run (`BotRun.code_hash`): other code may decide differently.
    """
    run = BotRun.objects.select_related("bot__instrument", "bot__user").get(pk=run_id)
    stored = list(BotJournalEntry.objects.filter(run=run, number__isnull=False).order_by("number"))
    if not stored:
        return
    stored_requests = {row.number: row.body["requests"] for row in stored}
    entries = [_entry(row) for row in stored]
    snapshot = _initial_snapshot(run)
    inputs_of = partial(inputs_of_version, run.bot)
    for entry, decisions in replay_journal(_spec(run, entries[0]), snapshot, entries, inputs_of):
        snapshot = decisions[-1].snapshot
        repeated = [describe_requests(request) for decision in decisions for request in decision.requests]
        if repeated != stored_requests[entry.number]:
            first_event = type(entry.events[0]).__name__
            yield f"decision {entry.number} ({first_event}): {stored_requests[entry.number]} became {repeated}"
            return  # all later decisions differ as a consequence
    if _lasting(snapshot) != _lasting(decode(run.snapshot)):
        yield "the final snapshot differs"


def _entry(row: BotJournalEntry) -> JournalEntry:
    assert row.number is not None
    if row.body.get("format") != FORMAT:
        raise JournalFormatError(row.number, row.body.get("format"))
    return JournalEntry(row.number, decode(row.body["events"]), decode(row.body["tick"]), row.body["inputs"])


def _spec(run: BotRun, first: JournalEntry) -> RunSpec:
    strategy = strategy_get(run.bot.strategy)
    if strategy is None:
        raise StrategyNotFound(f"The strategy {run.bot.strategy} is not available.")
    return RunSpec(
        run=run.pk,
        strategy=strategy,
        terms=bot_terms(run.bot),
        inputs=inputs_of_version(run.bot, first.inputs_version),
        inputs_version=first.inputs_version,
        code_hash=run.code_hash,
    )


def _initial_snapshot(run: BotRun) -> Snapshot:
    earlier = (
        BotRun.objects.filter(bot=run.bot_id, started_at__lt=run.started_at).order_by("-started_at").first()
    )
    return initial_snapshot(earlier)


def _lasting(snapshot: Snapshot) -> Snapshot:
    """The snapshot without `reason_at` and an idle bot's reason, which change without being stored."""
    reason = "" if snapshot.status == Status.IDLE else snapshot.reason
    return replace(snapshot, reason_at=0, reason=reason)
