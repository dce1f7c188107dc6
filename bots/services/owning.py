"""Which bots a worker owns, as their rows say."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from bots.models import Bot, Run
from bots.services.records import Wanted
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
