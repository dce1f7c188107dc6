"""Are our books the venue's? Every order, fill, position and cent of one wallet, both sides read whole."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from wallets.domain.ledger import Account
from wallets.domain.status import AT_VENUE, TERMINAL, OrderStatus
from wallets.management.chaos.simulator_client import Books, Placed
from wallets.models import Balance, Fill, Order, Position, Wallet

ZERO = Decimal(0)
NEVER_SENT = frozenset({OrderStatus.DENIED, OrderStatus.EXPIRED})


@dataclass
class Verdict:
    """What is wrong with one wallet; all empty when nothing is. Each line says what and where."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphaned: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    fills: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    ledger: list[str] = field(default_factory=list)
    residuals: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [line for lines in vars(self).values() for line in lines]


@dataclass(frozen=True, slots=True)
class Ours:
    """One wallet as our database has it."""

    orders: dict[UUID, Order]
    fills: dict[tuple[str, str], Fill]
    positions: dict[str, Decimal]
    cash: dict[tuple[str, str], Decimal]
    reserved: dict[tuple[str, str], Decimal]
    residual: dict[str, str]


def ours_read(wallet_id: UUID) -> Ours:
    orders = Order.objects.filter(wallet=wallet_id).select_related("instrument")
    fills = Fill.objects.filter(wallet=wallet_id).select_related("order")
    positions = Position.objects.filter(wallet=wallet_id).exclude(size=0)
    cash: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    reserved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rows = Balance.objects.filter(wallet=wallet_id, account__in=(Account.AVAILABLE, Account.RESERVED))
    for row in rows:
        cash[row.pot, row.asset] += row.amount
        if row.account == Account.RESERVED:
            reserved[row.pot, row.asset] += row.amount
    return Ours(
        {order.pk: order for order in orders},
        {(fill.order.venue_order_id, fill.trade_id): fill for fill in fills},
        dict(positions.values_list("instrument__symbol", "size")),
        {key: amount for key, amount in cash.items() if amount},
        {key: amount for key, amount in reserved.items() if amount},
        Wallet.objects.get(pk=wallet_id).residual,
    )


def reckon(ours: Ours, theirs: Books, acknowledged: Iterable[UUID]) -> Verdict:
    """`acknowledged`: orders that our API said it had taken."""
    verdict = Verdict()
    verdict.lost = [f"{pk} was acknowledged and is gone" for pk in acknowledged if pk not in ours.orders]
    by_client: defaultdict[str, list[Placed]] = defaultdict(list)
    for placed in theirs.orders:
        if placed.client_id and placed.was_taken:
            by_client[placed.client_id].append(placed)
    verdict.doubled = [
        f"{client_id} stands for {', '.join(one.venue_id for one in placed)}"
        for client_id, placed in by_client.items()
        if len({one.venue_id for one in placed}) > 1
    ]
    filled = _filled(theirs)
    for order in ours.orders.values():
        _order_reckon(verdict, order, by_client[order.venue_client_id], theirs, filled)
    _orphans(verdict, ours, theirs)
    _money(verdict, ours, theirs)
    return verdict


def _filled(theirs: Books) -> Counter[str]:
    filled: Counter[str] = Counter()
    for fill in theirs.fills.values():
        filled[fill.venue_id] += fill.size  # type: ignore[assignment]  # a Counter of Decimals
    return filled


def _order_reckon(
    verdict: Verdict, order: Order, placed: list[Placed], theirs: Books, filled: Counter[str]
) -> None:
    status, name = OrderStatus(order.status), f"{order.pk} ({order.kind}, {order.status})"
    traded = Decimal(filled[order.venue_order_id]) if order.venue_order_id else ZERO
    if status not in TERMINAL | AT_VENUE:
        verdict.unexplained.append(f"{name} is still undecided")
    elif status in AT_VENUE and order.venue_order_id not in theirs.resting:
        verdict.lost.append(f"{name} does not stand at the venue")
    elif status == OrderStatus.FILLED and traded != order.size:
        verdict.lost.append(f"{name} was filled {traded} of {order.size} at the venue")
    elif status in NEVER_SENT | {OrderStatus.REJECTED} and placed:
        verdict.unexplained.append(f"{name} is {placed[0].venue_id} at the venue, {placed[0].status}")
    elif order.filled != traded:
        verdict.fills.append(f"{name} has filled {order.filled}, at the venue {traded}")
    elif status == OrderStatus.CANCELLED and any(one.status == "filled" for one in placed):
        verdict.unexplained.append(f"{name} is filled at the venue")


def _orphans(verdict: Verdict, ours: Ours, theirs: Books) -> None:
    live = {order.venue_order_id for order in ours.orders.values() if order.status in AT_VENUE}
    symbols = {placed.venue_id: placed.symbol for placed in theirs.orders}
    for venue_id in theirs.resting - live:
        verdict.orphaned.append(f"{symbols.get(venue_id, '?')} {venue_id} stands at the venue, not with us")


def _money(verdict: Verdict, ours: Ours, theirs: Books) -> None:
    for key in ours.fills.keys() ^ theirs.fills.keys():
        where = "only with us" if key in ours.fills else "only at the venue"
        verdict.fills.append(f"trade {key[1]} of {key[0]} is {where}")
    for key in ours.fills.keys() & theirs.fills.keys():
        mine, other = ours.fills[key], theirs.fills[key]
        amounts = (mine.price, mine.size, mine.fee, mine.closed_pnl)
        if amounts != (other.price, other.size, other.fee, other.closed_pnl):
            verdict.fills.append(f"trade {key[1]} of {key[0]} differs: {amounts}")
    for symbol in ours.positions.keys() | theirs.positions.keys():
        mine_size, other_size = ours.positions.get(symbol, ZERO), theirs.positions.get(symbol, ZERO)
        if mine_size != other_size:
            verdict.positions.append(f"{symbol}: {mine_size} with us, {other_size} at the venue")
    for pot, asset in ours.cash.keys() | theirs.cash.keys():
        mine_cash, other_cash = ours.cash.get((pot, asset), ZERO), theirs.cash.get((pot, asset), ZERO)
        if mine_cash != other_cash:
            verdict.ledger.append(f"{pot} {asset}: {mine_cash} with us, {other_cash} at the venue")
    _reservations(verdict, ours)
    verdict.residuals = [f"{key}: {amount}" for key, amount in ours.residual.items()]


def _reservations(verdict: Verdict, ours: Ours) -> None:
    held: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in ours.orders.values():
        held[order.reserved_pot, order.reserved_asset] += order.reserved
        if order.status in TERMINAL and order.reserved:
            verdict.ledger.append(f"{order.pk} is {order.status} and holds back {order.reserved}")
    kept = {key: amount for key, amount in held.items() if amount}
    if kept != ours.reserved:
        verdict.ledger.append(f"reserved {ours.reserved}, held back by orders {kept}")
