"""Bot assignments: claims of a supervisor, the desired state of its bots, and their heartbeats."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from bots.models import Bot, BotRun
from bots.services.dto import BotAssignment, Heartbeat
from core.leases import Claim, claim


def _has_active_run() -> Exists:
    return Exists(BotRun.objects.filter(bot=OuterRef("pk"), ended_at=None))


def bots_claim(worker: UUID, *, limit: int) -> int:
    """Claim bots that have an active run and no live owner. Returns how many."""
    return len(claim(Bot, worker, where=Q(_has_active_run()), limit=limit))


def bot_assignments(worker: UUID) -> dict[UUID, BotAssignment]:
    """The worker's claims with the desired state of each bot, by bot.

    Read from the rows, so that it includes a claim with a lost response.
    """
    rows = Bot.objects.filter(owner=worker).annotate(going=_has_active_run())
    values = rows.values_list(
        "pk", "owner_epoch", "going", "instrument__venue", "instrument__symbol", "desired", "stop_policy",
        "stop_reason", "inputs_version",
    )  # fmt: skip
    return {
        pk: BotAssignment(
            claim=Claim(Bot, pk, epoch),
            has_run=has_run,
            venue=venue,
            symbol=symbol,
            running=desired == Bot.Desired.RUNNING,
            stop_policy=policy,
            stop_reason=reason,
            inputs_version=version,
        )
        for pk, epoch, has_run, venue, symbol, desired, policy, reason, version in values
    }


# Skips locked rows: a transaction that holds the lock is storing a decision and writes a heartbeat itself.
_HEARTBEAT_SQL = """
WITH said AS (
  SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::timestamptz[]) AS s(id, epoch, reason, at)
), ours AS (
  SELECT said.* FROM bots_bot bot JOIN said ON bot.id = said.id AND bot.owner_epoch = said.epoch
  FOR NO KEY UPDATE OF bot SKIP LOCKED
)
UPDATE bots_bot bot SET heartbeat_at = statement_timestamp(), reason = ours.reason, reason_at = ours.at
FROM ours WHERE bot.id = ours.id
"""


def bots_heartbeat(heartbeats: Sequence[Heartbeat]) -> int:
    """Store heartbeats and current reasons in one statement. Returns how many the worker still owned."""
    columns = zip(
        *((one.bot, one.epoch, one.reason[:300], _to_datetime(one.reason_at)) for one in heartbeats),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(_HEARTBEAT_SQL, [list(column) for column in columns])
        return int(cursor.rowcount)


def _to_datetime(at: int) -> datetime | None:
    return datetime.fromtimestamp(at / 1000, UTC) if at else None
