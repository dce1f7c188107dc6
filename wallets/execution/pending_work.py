"""One look a second, at all wallets of this worker at once: which of them have something to do?"""

import uuid
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
NOTHING = (0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Look:
    """A wallet as it is now, and the numbers of its orders that want something."""

    wallet: Wallet
    pending: int = 0
    cancels: int = 0
    doubts: int = 0
    ending: int = 0
    live: int = 0
    wishes: bool = False  # another leverage
    exposed: bool = False  # it holds a position

    @property
    def claim(self) -> Claim:
        """The lease under which it was seen."""
        return Claim(Wallet, self.wallet.pk, self.wallet.owner_epoch)

    @property
    def is_booked(self) -> bool:
        """Its account is known to be the owner's, so its books are kept."""
        return self.wallet.status in BOOKED

    @property
    def busy(self) -> bool:
        return bool(self.live or self.exposed)


def wallets_claim(worker: uuid.UUID) -> int:
    """Take the wallets that want a desk and have none. Returns how many."""
    wanted = Q(status__in=KEPT, venue__in=settings.VENUES, venue__enabled=True)
    return len(claim(Wallet, worker, where=wanted, limit=CLAIMED_AT_ONCE))


def wallets_look(worker: uuid.UUID) -> dict[uuid.UUID, Look]:
    """What this worker owns and what still wants a desk, by wallet; also a claim whose answer was lost."""
    rows = Wallet.objects.filter(owner=worker, status__in=KEPT, venue__enabled=True)
    ours = {row.pk: row for row in rows}
    counted = (
        Order.objects.filter(wallet__in=ours, status__in=LIVE)
        .values("wallet")
        .annotate(
            pending=Count("pk", filter=Q(status=OrderStatus.PENDING)),
            cancels=Count("pk", filter=Q(cancel_asked_at__isnull=False)),
            doubts=Count("pk", filter=Q(status__in=IN_DOUBT)),
            ending=Count("pk", filter=Q(status=OrderStatus.CANCELLING)),
            live=Count("pk"),
        )
        .values_list("wallet", "pending", "cancels", "doubts", "ending", "live")
        .order_by()
    )
    counts = {wallet: numbers for wallet, *numbers in counted}
    positions = Position.objects.filter(wallet__in=ours)
    exposed = set(positions.exclude(size=0).values_list("wallet", flat=True))
    wishes = set(positions.exclude(leverage_wanted=None).values_list("wallet", flat=True))
    looks = {}
    for pk, row in ours.items():
        pending, cancels, doubts, ending, live = counts.get(pk, NOTHING)
        looks[pk] = Look(
            row, pending=pending, cancels=cancels, doubts=doubts, ending=ending, live=live,
            wishes=pk in wishes, exposed=pk in exposed,
        )  # fmt: skip
    return looks
