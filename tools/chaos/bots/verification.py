"""Verification of bots: consistency checks after a run, and duplicate levels at any time."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import Now

from bots.domain.codec import decode
from bots.domain.lifecycle import Status
from bots.domain.orders import LiveOrder
from bots.models import Bot, BotJournalEntry, BotRun
from bots.selectors import attribution_of, bot_pnl, run_last
from bots.services import run_replay
from tools.chaos.bots.failovers import BotStatus
from wallets.domain.status import LIVE
from wallets.models import Fill, Order, Position, Wallet

ZERO = Decimal(0)


@dataclass
class BotVerdict:
    """Problems found, by category; all lists are empty when there are none."""

    problems: list[str] = field(default_factory=list)
    unowned: list[str] = field(default_factory=list)
    faulted: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    replay: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        return [line for lines in vars(self).values() for line in lines]


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """Number of runs, decisions, orders and fills that are verified."""

    runs: int
    decisions: int
    orders: int
    fills: int


# --- during the run ----------------------------------------------------------------------------------------
def bot_statuses(bots: Collection[UUID]) -> tuple[float, list[BotStatus]]:
    """The database's time, and the status of the given bots that have an active run."""
    active_run = Exists(BotRun.objects.filter(bot=OuterRef("pk"), ended_at=None))
    rows = Bot.objects.filter(active_run, pk__in=bots).annotate(now=Now())
    found = list(rows.values_list("now", "pk", "owner__pid", "heartbeat_at"))
    now = found[0][0].timestamp() if found else 0.0
    return now, [
        BotStatus(pk, pid, heartbeat.timestamp() if heartbeat else 0.0) for _, pk, pid, heartbeat in found
    ]


def duplicate_levels(bots: Collection[UUID]) -> list[str]:
    """Levels of a bot with two open orders that it does not cancel, and open orders that its snapshot lacks.

    An order row stores the level that it was placed for, but the bot may have reassigned the order since. So the
    current level is read from the snapshot.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        newest = BotRun.objects.filter(bot__in=bots).order_by("bot", "-started_at", "-pk").distinct("bot")
        live_orders = {run.bot_id: decode(run.snapshot).live for run in newest}
        live = list(
            Order.objects.filter(source_id__in=bots, status__in=LIVE).values_list("source_id", "client_id")
        )
    found = [line for bot, orders in live_orders.items() for line in _duplicates(bot, orders)]
    ids = {order.client_id for orders in live_orders.values() for order in orders}
    return found + [
        f"{bot}: {one} is open, but not in the bot's snapshot" for bot, one in live if one not in ids
    ]


def _duplicates(bot: UUID, orders: Sequence[LiveOrder]) -> Iterator[str]:
    replaced = {order.replaces for order in orders}
    expected = (order for order in orders if order.state != "cancelling" and order.client_id not in replaced)
    for level, count in Counter(order.level.id for order in expected).items():
        if count > 1:
            yield f"{bot}: {count} orders for level {level}"


# --- after the run -------------------------------------------------------------------------------------------
def replay_counts(bots: Collection[UUID]) -> ReplayCounts:
    orders = Order.objects.filter(source_id__in=bots)
    return ReplayCounts(
        runs=BotRun.objects.filter(bot__in=bots).count(),
        decisions=BotJournalEntry.objects.filter(bot__in=bots, number__isnull=False).count(),
        orders=orders.count(),
        fills=Fill.objects.filter(order__source_id__in=bots).count(),
    )


def verify_bots(bots: Collection[UUID], wallets: Collection[UUID]) -> BotVerdict:
    """All checks except the replay, which has a constant result once the bots have stopped."""
    verdict = BotVerdict(levels=duplicate_levels(bots))
    verdict.active = [
        f"{run.bot_id} still runs" for run in BotRun.objects.filter(bot__in=bots, ended_at=None)
    ]
    standing = Order.objects.filter(source_id__in=bots, status__in=LIVE)
    verdict.standing = [f"{row.source_id}: {row.pk} is still {row.status}" for row in standing]
    verdict.shares = [line for wallet in wallets for line in _shares(wallet)]
    for wallet in Wallet.objects.filter(pk__in=wallets):
        verdict.shares += _residuals(wallet)
    for bot in Bot.objects.filter(pk__in=bots).select_related("instrument"):
        verdict.snapshots += _snapshot(bot)
    for run in BotRun.objects.filter(bot__in=bots):
        verdict.journal += _journal(run)
        if run.snapshot.get("status") == Status.FAULTED:
            verdict.faulted.append(f"{run.bot_id}: {run.end_reason or 'a fault'}")
    return verdict


def replay_all(bots: Collection[UUID]) -> Iterator[str]:
    for run in BotRun.objects.filter(bot__in=bots).order_by("bot", "started_at"):
        for line in run_replay(run_id=run.pk):
            yield f"{run.bot_id} {run}: {line}"


def _shares(wallet: UUID) -> Iterator[str]:
    """Compare the sum of the bots' and manual positions with the wallet's position."""
    sizes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = Fill.objects.filter(wallet=wallet, instrument__kind="perp").order_by()
    for row in rows.values("instrument__symbol", "order__source_id", "side").annotate(size=Sum("size")):
        source = str(row["order__source_id"] or "manual")
        signed = row["size"] if row["side"] == "buy" else -row["size"]
        sizes[row["instrument__symbol"]][source] += signed
    positions = dict(Position.objects.filter(wallet=wallet).values_list("instrument__symbol", "size"))
    for symbol in sizes.keys() | positions.keys():
        total, venue = sum(sizes[symbol].values(), ZERO), positions.get(symbol, ZERO)
        if total != venue:
            yield f"{symbol}: bots and manual trading hold {total}, the wallet {venue}: {dict(sizes[symbol])}"


def _residuals(wallet: Wallet) -> Iterator[str]:
    """Compare the attribution to bots with the wallet's totals."""
    for split in attribution_of(wallet):
        rest = split.residual
        if any((rest.size, rest.fees, rest.funding, rest.realised_pnl - rest.cost)):
            yield f"{split.instrument.symbol}: {rest} is not attributed"


def _snapshot(bot: Bot) -> Iterator[str]:
    """Compare position and fees of the bot's snapshot and ledger with the fills of its orders."""
    run = run_last(bot)
    if run is None:
        return
    snapshot_position = decode(run.snapshot).position
    size, fees = ZERO, ZERO
    for fill in Fill.objects.filter(order__source_id=bot.pk):
        size += fill.size if fill.side == "buy" else -fill.size
        fees += fill.fee if fill.fee_asset == bot.instrument.quote else ZERO
    book = bot_pnl(bot).position
    if {(snapshot_position.size, snapshot_position.fees), (book.size, book.fees)} != {(size, fees)}:
        yield (
            f"{bot.pk} ({bot.strategy}) has {snapshot_position.size} and fees of {snapshot_position.fees} in its snapshot; "
            f"{book.size} and {book.fees} in its ledger, {size} and {fees} in its fills"
        )


def _journal(run: BotRun) -> Iterator[str]:
    numbers = list(
        BotJournalEntry.objects.filter(run=run, number__isnull=False)
        .order_by("number")
        .values_list("number", flat=True)
    )
    if numbers != list(range(1, run.last_decision + 1)):
        yield f"{run}: {len(numbers)} decisions up to {numbers[-1] if numbers else 0}, stored {run.last_decision}"
