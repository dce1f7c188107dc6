"""Verification: compares all orders, fills, positions and balances of a wallet with the venue's."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from tools.chaos.simulator_client import VenueAccount, VenueOrderRecord
from wallets.domain.ledger import LedgerAccount
from wallets.domain.status import AT_VENUE, TERMINAL, OrderStatus
from wallets.models import Balance, Fill, Order, Position, Wallet

ZERO = Decimal(0)
NEVER_SENT = frozenset({OrderStatus.DENIED, OrderStatus.EXPIRED})


@dataclass
class Verdict:
    """Differences found in one wallet, by category; all lists are empty when there are none."""

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
class LocalAccount:
    """State of one wallet in the database."""

    orders: dict[UUID, Order]
    fills: dict[tuple[str, str], Fill]
    positions: dict[str, Decimal]
    cash: dict[tuple[str, str], Decimal]
    reserved: dict[tuple[str, str], Decimal]
    residual: dict[str, str]


def local_account_read(wallet_id: UUID) -> LocalAccount:
    orders = Order.objects.filter(wallet=wallet_id).select_related("instrument")
    fills = Fill.objects.filter(wallet=wallet_id).select_related("order")
    positions = Position.objects.filter(wallet=wallet_id).exclude(size=0)
    cash: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    reserved: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rows = Balance.objects.filter(
        wallet=wallet_id, account__in=(LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)
    )
    for row in rows:
        cash[row.account_type, row.asset] += row.amount
        if row.account == LedgerAccount.RESERVED:
            reserved[row.account_type, row.asset] += row.amount
    return LocalAccount(
        {order.pk: order for order in orders},
        {(fill.order.venue_order_id, fill.trade_id): fill for fill in fills},
        dict(positions.values_list("instrument__symbol", "size")),
        {key: amount for key, amount in cash.items() if amount},
        {key: amount for key, amount in reserved.items() if amount},
        Wallet.objects.get(pk=wallet_id).residual,
    )


def compare_account(local: LocalAccount, venue: VenueAccount, acknowledged: Iterable[UUID]) -> Verdict:
    """Compare the local state with the venue's. `acknowledged`: ids of orders that the API accepted."""
    verdict = Verdict()
    verdict.lost = [f"{pk} was acknowledged but is missing" for pk in acknowledged if pk not in local.orders]
    by_client: defaultdict[str, list[VenueOrderRecord]] = defaultdict(list)
    for venue_order in venue.orders:
        if venue_order.client_id and venue_order.was_accepted:
            by_client[venue_order.client_id].append(venue_order)
    verdict.doubled = [
        f"{client_id} is the client order ID of {', '.join(one.venue_id for one in venue_orders)}"
        for client_id, venue_orders in by_client.items()
        if len({one.venue_id for one in venue_orders}) > 1
    ]
    filled = _filled(venue)
    for order in local.orders.values():
        _verify_order(verdict, order, by_client[order.venue_client_id], venue, filled)
    _orphans(verdict, local, venue)
    _compare_amounts(verdict, local, venue)
    return verdict


def _filled(venue: VenueAccount) -> Counter[str]:
    filled: Counter[str] = Counter()
    for fill in venue.fills.values():
        filled[fill.venue_id] += fill.size  # type: ignore[assignment]  # a Counter of Decimals
    return filled


def _verify_order(
    verdict: Verdict,
    order: Order,
    venue_orders: list[VenueOrderRecord],
    venue: VenueAccount,
    filled: Counter[str],
) -> None:
    status, name = OrderStatus(order.status), f"{order.pk} ({order.kind}, {order.status})"
    traded = Decimal(filled[order.venue_order_id]) if order.venue_order_id else ZERO
    if status not in TERMINAL | AT_VENUE:
        verdict.unexplained.append(f"{name} is still unresolved")
    elif status in AT_VENUE and order.venue_order_id not in venue.resting:
        verdict.lost.append(f"{name} is not open at the venue")
    elif status == OrderStatus.FILLED and traded != order.size:
        verdict.lost.append(f"{name} was filled {traded} of {order.size} at the venue")
    elif status in NEVER_SENT | {OrderStatus.REJECTED} and venue_orders:
        verdict.unexplained.append(
            f"{name} is {venue_orders[0].venue_id} at the venue, {venue_orders[0].status}"
        )
    elif order.filled != traded:
        verdict.fills.append(f"{name} has filled {order.filled}, at the venue {traded}")
    elif status == OrderStatus.CANCELLED and any(one.status == "filled" for one in venue_orders):
        verdict.unexplained.append(f"{name} is filled at the venue")


def _orphans(verdict: Verdict, local: LocalAccount, venue: VenueAccount) -> None:
    live = {order.venue_order_id for order in local.orders.values() if order.status in AT_VENUE}
    symbols = {one.venue_id: one.symbol for one in venue.orders}
    for venue_id in venue.resting - live:
        verdict.orphaned.append(
            f"{symbols.get(venue_id, '?')} {venue_id} is open at the venue, but not locally"
        )


def _compare_amounts(verdict: Verdict, local: LocalAccount, venue: VenueAccount) -> None:
    for key in local.fills.keys() ^ venue.fills.keys():
        where = "only local" if key in local.fills else "only at the venue"
        verdict.fills.append(f"trade {key[1]} of {key[0]} is {where}")
    for key in local.fills.keys() & venue.fills.keys():
        local_fill, venue_fill = local.fills[key], venue.fills[key]
        amounts = (local_fill.price, local_fill.size, local_fill.fee, local_fill.closed_pnl)
        if amounts != (venue_fill.price, venue_fill.size, venue_fill.fee, venue_fill.closed_pnl):
            verdict.fills.append(f"trade {key[1]} of {key[0]} differs: {amounts}")
    for symbol in local.positions.keys() | venue.positions.keys():
        local_size, venue_size = local.positions.get(symbol, ZERO), venue.positions.get(symbol, ZERO)
        if local_size != venue_size:
            verdict.positions.append(f"{symbol}: {local_size} locally, {venue_size} at the venue")
    for account_type, asset in local.cash.keys() | venue.cash.keys():
        local_cash, venue_cash = (
            local.cash.get((account_type, asset), ZERO),
            venue.cash.get((account_type, asset), ZERO),
        )
        if local_cash != venue_cash:
            verdict.ledger.append(f"{account_type} {asset}: {local_cash} locally, {venue_cash} at the venue")
    _reservations(verdict, local)
    verdict.residuals = [f"{key}: {amount}" for key, amount in local.residual.items()]


def _reservations(verdict: Verdict, local: LocalAccount) -> None:
    by_account: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for order in local.orders.values():
        by_account[order.reserved_account_type, order.reserved_asset] += order.reserved
        if order.status in TERMINAL and order.reserved:
            verdict.ledger.append(f"{order.pk} is {order.status} and still reserves {order.reserved}")
    by_orders = {key: amount for key, amount in by_account.items() if amount}
    if by_orders != local.reserved:
        verdict.ledger.append(f"reserved {local.reserved}, reserved by orders {by_orders}")
