"""What must be true of bots once everything is quiet, and of their levels at any moment."""

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
from bots.domain.orders import Live
from bots.management.chaos.failovers import Seen
from bots.models import Bot, BotEvent, Run
from bots.selectors import attribution_of, book_of, run_last
from bots.services import run_replay
from wallets.domain.status import LIVE
from wallets.models import Fill, Order, Position, Wallet

ZERO = Decimal(0)


@dataclass
class BotVerdict:
    """What is wrong with the bots; all empty when nothing is. Each line says what and where."""

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
class Told:
    """How much there was to judge."""

    runs: int
    decisions: int
    orders: int
    fills: int


# --- at any moment -----------------------------------------------------------------------------------------
def bots_seen(bots: Collection[UUID]) -> tuple[float, list[Seen]]:
    """The database's time, and the bots of these whose run goes on."""
    going = Exists(Run.objects.filter(bot=OuterRef("pk"), ended_at=None))
    rows = Bot.objects.filter(going, pk__in=bots).annotate(now=Now())
    found = list(rows.values_list("now", "pk", "owner__pid", "heartbeat_at"))
    now = found[0][0].timestamp() if found else 0.0
    return now, [Seen(pk, pid, beat.timestamp() if beat else 0.0) for _, pk, pid, beat in found]


def levels_doubled(bots: Collection[UUID]) -> list[str]:
    """Levels of a bot for which two orders stand that it does not mean to end, and orders that it has forgotten.

    An order keeps the level that it was asked for in its books, while the bot may have adopted it for
    another one since: whose it is now, the snapshot says.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        newest = Run.objects.filter(bot__in=bots).order_by("bot", "-started_at", "-pk").distinct("bot")
        known = {run.bot_id: decode(run.snapshot).live for run in newest}
        live = list(
            Order.objects.filter(source_id__in=bots, status__in=LIVE).values_list("source_id", "client_id")
        )
    found = [line for bot, orders in known.items() for line in _doubled(bot, orders)]
    ids = {order.client_id for orders in known.values() for order in orders}
    return found + [
        f"{bot}: {one} stands, and its bot knows nothing of it" for bot, one in live if one not in ids
    ]


def _doubled(bot: UUID, orders: Sequence[Live]) -> Iterator[str]:
    replaced = {order.replaces for order in orders}
    meant = (order for order in orders if order.state != "cancelling" and order.client_id not in replaced)
    for level, count in Counter(order.level.id for order in meant).items():
        if count > 1:
            yield f"{bot}: {count} orders for level {level}"


# --- at the end ----------------------------------------------------------------------------------------------
def told(bots: Collection[UUID]) -> Told:
    orders = Order.objects.filter(source_id__in=bots)
    return Told(
        runs=Run.objects.filter(bot__in=bots).count(),
        decisions=BotEvent.objects.filter(bot__in=bots, number__isnull=False).count(),
        orders=orders.count(),
        fills=Fill.objects.filter(order__source_id__in=bots).count(),
    )


def reckon_bots(bots: Collection[UUID], wallets: Collection[UUID]) -> BotVerdict:
    """All but the replay, which never changes once the bots have stopped."""
    verdict = BotVerdict(levels=levels_doubled(bots))
    verdict.active = [f"{run.bot_id} still runs" for run in Run.objects.filter(bot__in=bots, ended_at=None)]
    standing = Order.objects.filter(source_id__in=bots, status__in=LIVE)
    verdict.standing = [f"{row.source_id}: {row.pk} is {row.status} still" for row in standing]
    verdict.shares = [line for wallet in wallets for line in _shares(wallet)]
    for wallet in Wallet.objects.filter(pk__in=wallets):
        verdict.shares += _residuals(wallet)
    for bot in Bot.objects.filter(pk__in=bots).select_related("instrument"):
        verdict.snapshots += _snapshot(bot)
    for run in Run.objects.filter(bot__in=bots):
        verdict.journal += _journal(run)
        if run.snapshot.get("status", {}).get("is") == Status.FAULTED:
            verdict.faulted.append(f"{run.bot_id}: {run.ended_why or 'a fault'}")
    return verdict


def replay_all(bots: Collection[UUID]) -> Iterator[str]:
    for run in Run.objects.filter(bot__in=bots).order_by("bot", "started_at"):
        for line in run_replay(run_id=run.pk):
            yield f"{run.bot_id} {run}: {line}"


def _shares(wallet: UUID) -> Iterator[str]:
    """Σ bots + manual against the position that is compared with the venue's."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = Fill.objects.filter(wallet=wallet, instrument__kind="perp").order_by()
    for row in rows.values("instrument__symbol", "order__source_id", "side").annotate(size=Sum("size")):
        whose = str(row["order__source_id"] or "manual")
        signed = row["size"] if row["side"] == "buy" else -row["size"]
        held[row["instrument__symbol"]][whose] += signed
    positions = dict(Position.objects.filter(wallet=wallet).values_list("instrument__symbol", "size"))
    for symbol in held.keys() | positions.keys():
        total, venue = sum(held[symbol].values(), ZERO), positions.get(symbol, ZERO)
        if total != venue:
            yield f"{symbol}: bots and people hold {total}, the wallet {venue}: {dict(held[symbol])}"


def _residuals(wallet: Wallet) -> Iterator[str]:
    """What the bots' own books say, against the wallet's."""
    for split in attribution_of(wallet):
        rest = split.residual
        if any((rest.size, rest.fees, rest.funding, rest.realised - rest.cost)):
            yield f"{split.instrument.symbol}: nobody's books explain {rest}"


def _snapshot(bot: Bot) -> Iterator[str]:
    """What the bot believes that it holds and has paid, against the fills of its own orders."""
    run = run_last(bot)
    if run is None:
        return
    believed = decode(run.snapshot).position
    size, fees = ZERO, ZERO
    for fill in Fill.objects.filter(order__source_id=bot.pk):
        size += fill.size if fill.side == "buy" else -fill.size
        fees += fill.fee if fill.fee_asset == bot.instrument.quote else ZERO
    book = book_of(bot).position
    if {(believed.size, believed.fees), (book.size, book.fees)} != {(size, fees)}:
        yield (
            f"{bot.pk} ({bot.strategy}) believes {believed.size} and fees of {believed.fees}; "
            f"its book says {book.size} and {book.fees}, its fills {size} and {fees}"
        )


def _journal(run: Run) -> Iterator[str]:
    numbers = list(
        BotEvent.objects.filter(run=run, number__isnull=False)
        .order_by("number")
        .values_list("number", flat=True)
    )
    if numbers != list(range(1, run.decisions + 1)):
        yield f"{run}: {len(numbers)} decisions up to {numbers[-1] if numbers else 0}, stored {run.decisions}"
