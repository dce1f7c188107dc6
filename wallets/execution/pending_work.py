"""Pending work: one query per second that counts the work of all wallets of this worker."""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q

from core.leases import Claim, claim
from wallets.domain.status import IN_FLIGHT, LIVE, OrderStatus
from wallets.models import Order, Position, Wallet

Status = Wallet.Status
# Rejected and archived wallets are not claimed; expired ones still receive account events.
CLAIMABLE = (Status.KEY_PENDING, Status.APPROVAL_PENDING, Status.CHECKING, Status.ACTIVE, Status.EXPIRED)
SYNCED = frozenset({Status.ACTIVE.value, Status.EXPIRED.value})
CLAIM_BATCH_SIZE = 100
NO_WORK = (0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PendingWork:
    """A wallet row and the counts of its orders by the work that they need."""

    wallet: Wallet
    pending: int = 0
    cancels: int = 0
    in_flight: int = 0
    cancelling: int = 0
    live: int = 0
    leverage_changes: bool = False  # leverage changes were requested
    exposed: bool = False  # it has an open position

    @property
    def claim(self) -> Claim:
        """The lease under which the wallet was read."""
        return Claim(Wallet, self.wallet.pk, self.wallet.owner_epoch)

    @property
    def is_synced(self) -> bool:
        """Is the account verified as the owner's, so that it is synced?"""
        return self.wallet.status in SYNCED

    @property
    def busy(self) -> bool:
        return bool(self.live or self.exposed)


def wallets_claim(worker: uuid.UUID) -> int:
    """Claim wallets that no worker has. Returns their number."""
    claimable = Q(status__in=CLAIMABLE, venue__in=settings.VENUES, venue__enabled=True)
    return len(claim(Wallet, worker, where=claimable, limit=CLAIM_BATCH_SIZE))


def pending_work(worker: uuid.UUID) -> dict[uuid.UUID, PendingWork]:
    """Pending work by wallet, of all wallets of this worker; also of claims with a lost response."""
    rows = Wallet.objects.filter(owner=worker, status__in=CLAIMABLE, venue__enabled=True)
    wallets = {row.pk: row for row in rows}
    counted = (
        Order.objects.filter(wallet__in=wallets, status__in=LIVE)
        .values("wallet")
        .annotate(
            pending=Count("pk", filter=Q(status=OrderStatus.PENDING)),
            cancels=Count("pk", filter=Q(cancel_requested_at__isnull=False)),
            in_flight=Count("pk", filter=Q(status__in=IN_FLIGHT)),
            cancelling=Count("pk", filter=Q(status=OrderStatus.CANCELLING)),
            live=Count("pk"),
        )
        .values_list("wallet", "pending", "cancels", "in_flight", "cancelling", "live")
        .order_by()
    )
    counts = {wallet: numbers for wallet, *numbers in counted}
    positions = Position.objects.filter(wallet__in=wallets)
    exposed = set(positions.exclude(size=0).values_list("wallet", flat=True))
    leverage_changes = set(positions.exclude(target_leverage=None).values_list("wallet", flat=True))
    work = {}
    for pk, row in wallets.items():
        pending, cancels, in_flight, cancelling, live = counts.get(pk, NO_WORK)
        work[pk] = PendingWork(
            row, pending=pending, cancels=cancels, in_flight=in_flight, cancelling=cancelling, live=live,
            leverage_changes=pk in leverage_changes, exposed=pk in exposed,
        )  # fmt: skip
    return work
