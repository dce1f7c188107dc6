"""One look a second, at all wallets of this worker at once: which of them have something to do?"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q

from market.leases import Claim, claim
from wallets.domain.status import IN_DOUBT, LIVE, OrderStatus
from wallets.models import Order, Position, Wallet

Status = Wallet.Status
# A refused or archived wallet is nobody's business; of an expired one we still want to hear.
KEPT = (Status.KEY_WANTED, Status.APPROVAL_WANTED, Status.CHECKING, Status.ACTIVE, Status.EXPIRED)
BOOKED = frozenset({Status.ACTIVE.value, Status.EXPIRED.value})
CLAIMED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Look:
    """A wallet as it is now, and the numbers of its orders that want something."""

    wallet: Wallet
    pending: int = 0
    cancels: int = 0
    doubts: int = 0
    live: int = 0
    leverages: int = 0
    exposed: bool = False  # it holds a position

    @property
    def is_booked(self) -> bool:
        """Its account is known to be the owner's, so its books are kept."""
        return self.wallet.status in BOOKED

    @property
    def busy(self) -> bool:
        return bool(self.live or self.exposed)


def wallets_claim(worker: uuid.UUID) -> list[Claim]:
    """Take the wallets that want a desk and have none."""
    wanted = Q(status__in=KEPT, venue__in=settings.VENUES, venue__enabled=True)
    return claim(Wallet, worker, where=wanted, limit=CLAIMED_AT_ONCE)


def wallets_look(held: Collection[Claim]) -> dict[uuid.UUID, Look]:
    """What is still ours and still wants a desk, by wallet."""
    epochs = {one.pk: one.epoch for one in held}
    rows = Wallet.objects.filter(pk__in=epochs, status__in=KEPT, owner__isnull=False, venue__enabled=True)
    ours = {row.pk: row for row in rows if row.owner_epoch == epochs[row.pk]}
    cancels = Q(cancel_asked_at__isnull=False)
    counted = (
        Order.objects.filter(wallet__in=ours, status__in=LIVE)
        .values("wallet")
        .annotate(
            pending=Count("pk", filter=Q(status=OrderStatus.PENDING)),
            doubts=Count("pk", filter=Q(status__in=IN_DOUBT)),
            cancels=Count("pk", filter=cancels),
            live=Count("pk"),
        )
        .order_by()
    )
    counts = {row.pop("wallet"): row for row in counted}
    exposed = set(Position.objects.filter(wallet__in=ours).exclude(size=0).values_list("wallet", flat=True))
    return {pk: Look(row, **counts.get(pk, {}), exposed=pk in exposed) for pk, row in ours.items()}
