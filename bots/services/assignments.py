"""Which bots a worker owns, as their rows say, and that they live."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from bots.models import Bot, Run
from bots.services.dto import Beat, Wanted
from market.leases import Claim, claim


def _going() -> Exists:
    return Exists(Run.objects.filter(bot=OuterRef("pk"), ended_at=None))


def bots_claim(worker: UUID, *, limit: int) -> int:
    """Take bots whose run goes on and that nobody drives. Returns how many."""
    return len(claim(Bot, worker, where=Q(_going()), limit=limit))


def bots_wanted(worker: UUID) -> dict[UUID, Wanted]:
    """What this worker owns and what is wanted of it, by bot; also a claim whose answer was lost."""
    rows = Bot.objects.filter(owner=worker).annotate(going=_going())
    said = rows.values_list(
        "pk", "owner_epoch", "going", "instrument__venue", "instrument__symbol", "desired", "stop_policy",
        "stop_reason", "inputs_version",
    )  # fmt: skip
    return {
        pk: Wanted(
            claim=Claim(Bot, pk, epoch),
            going=going,
            venue=venue,
            symbol=symbol,
            running=desired == Bot.Desired.RUNNING,
            stop_policy=policy,
            stop_reason=reason,
            inputs_version=version,
        )
        for pk, epoch, going, venue, symbol, desired, policy, reason, version in said
    }


# Never waits for a row: whoever holds it is storing a decision, and writes a heartbeat itself.
_BEAT = """
WITH said AS (
  SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::timestamptz[]) AS s(id, epoch, reason, at)
), ours AS (
  SELECT said.* FROM bots_bot bot JOIN said ON bot.id = said.id AND bot.owner_epoch = said.epoch
  FOR NO KEY UPDATE OF bot SKIP LOCKED
)
UPDATE bots_bot bot SET heartbeat_at = statement_timestamp(), reason = ours.reason, checked_at = ours.at
FROM ours WHERE bot.id = ours.id
"""


def bots_beat(beats: Sequence[Beat]) -> int:
    """These bots live, and this is why they are idle now; one statement. Returns how many were still ours."""
    columns = zip(
        *((one.bot, one.epoch, one.reason[:300], _when(one.checked_at)) for one in beats), strict=True
    )
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, [list(column) for column in columns])
        return int(cursor.rowcount)


def _when(at: int) -> datetime | None:
    return datetime.fromtimestamp(at / 1000, UTC) if at else None
