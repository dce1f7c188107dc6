"""Does a run's journal say what was decided? For audits and for `manage.py chaos`; changes nothing."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from uuid import UUID

from bots.domain.codec import decode
from bots.domain.lifecycle import Status
from bots.domain.replay import Entry, retold
from bots.domain.runner import Spec
from bots.domain.snapshot import Snapshot
from bots.models import BotEvent, Run
from bots.selectors import bot_terms, strategy_get
from bots.services.runs import StrategyGone, asked, inputs_of_version
from bots.services.start_stop import begun_after


def run_replay(*, run_id: UUID) -> Iterator[str]:
    """Decides everything once more from the journal; a sentence for each difference. Raises `StrategyGone`.

    The strategy's code must be that of the run (`Run.code`): other code may decide otherwise.
    """
    run = Run.objects.select_related("bot__instrument", "bot__user").get(pk=run_id)
    stored = list(BotEvent.objects.filter(run=run, number__isnull=False).order_by("number"))
    if not stored:
        return
    said = {row.number: row.body["requests"] for row in stored}
    entries = [_entry(row) for row in stored]
    snapshot = _begun(run)
    inputs_of = partial(inputs_of_version, run.bot)
    for entry, decisions in retold(_spec(run, entries[0]), snapshot, entries, inputs_of):
        snapshot = decisions[-1].snapshot
        again = [asked(request) for decision in decisions for request in decision.requests]
        if again != said[entry.number]:
            heard = type(entry.events[0]).__name__
            yield f"decision {entry.number} ({heard}): {said[entry.number]} became {again}"
            return  # from here on everything differs
    if _lasting(snapshot) != _lasting(decode(run.snapshot)):
        yield "the snapshot at the end is another one"


def _entry(row: BotEvent) -> Entry:
    assert row.number is not None
    return Entry(row.number, decode(row.body["events"]), decode(row.body["tick"]), row.body["inputs"])


def _spec(run: Run, first: Entry) -> Spec:
    strategy = strategy_get(run.bot.strategy)
    if strategy is None:
        raise StrategyGone(f"There is no strategy {run.bot.strategy} in this house.")
    return Spec(
        run=run.pk,
        strategy=strategy,
        terms=bot_terms(run.bot),
        inputs=inputs_of_version(run.bot, first.inputs_version),
        inputs_version=first.inputs_version,
        code=run.code,
    )


def _begun(run: Run) -> Snapshot:
    earlier = (
        Run.objects.filter(bot=run.bot_id, started_at__lt=run.started_at).order_by("-started_at").first()
    )
    return begun_after(earlier)


def _lasting(snapshot: Snapshot) -> Snapshot:
    """But for when it was last checked, and for the figures in an idle bot's reason, which pass by unstored."""
    reason = "" if snapshot.status == Status.IDLE else snapshot.reason
    return replace(snapshot, checked_at=0, reason=reason)
