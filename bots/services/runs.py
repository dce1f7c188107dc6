"""Runs, for the supervisor: load a stored run, commit each decision together with its order requests."""

import logging
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from bots.domain.codec import FORMAT, decode, encode
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.order_planner import CancelOrder, ModifyOrder, PlaceOrder, Request
from bots.domain.runner import RunSpec
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import OrderView
from bots.models import Bot, BotJournalEntry, BotRun
from bots.sdk import Side, parse_inputs
from bots.selectors import bot_terms, code_hash, strategy_get
from bots.services.bots import journal
from bots.services.dto import CommitResult, DecisionBatch, LoadedRun, OwnFill, OwnOrderState
from bots.services.position_close import (
    cap_close_requests,
    position_view,
    reduce_only_requests,
    remaining_position,
)
from core.leases import Claim, LeaseLost, fence
from wallets.domain.status import OrderStatus
from wallets.selectors import prices_of, source_fills_after, source_orders_by_client_id
from wallets.services import OrderCommand, order_commands_execute

if TYPE_CHECKING:
    from wallets.models import Fill

logger = logging.getLogger(__name__)

MAX_STORED_CRASHES = 20


class StrategyNotFound(Exception):
    """No strategy of that name exists any more."""


# --- reading -------------------------------------------------------------------------------------------
def run_load(*, claim: Claim) -> LoadedRun:
    """The active run. Raises `LeaseLost` when there is none under this claim, and `StrategyNotFound`."""
    bot = Bot.objects.select_related("instrument", "user").get(pk=claim.pk)
    run = BotRun.objects.filter(bot=bot, ended_at=None).first()
    if run is None or bot.owner_epoch != claim.epoch:
        raise LeaseLost(f"bot {bot.pk} has no run under this claim")
    strategy = strategy_get(bot.strategy)
    if strategy is None:
        raise StrategyNotFound(f"The strategy {bot.strategy} is not available.")
    spec = RunSpec(
        run=run.pk,
        strategy=strategy,
        terms=bot_terms(bot),
        inputs=inputs_of_version(bot, run.inputs_version),
        inputs_version=run.inputs_version,
        code_hash=code_hash(strategy),
    )
    return LoadedRun(
        bot=bot.pk, run=run.pk, user=bot.user, wallet=bot.wallet_id, name=bot.name,
        instrument_id=bot.instrument_id, spec=spec, snapshot=decode(run.snapshot), last_decision=run.last_decision,
        last_fill_id=run.last_fill_id, crashes=tuple(run.crashes),
    )  # fmt: skip


def inputs_of_version(bot: Bot, version: int) -> dict[str, Any]:
    """One version of the bot's inputs, parsed."""
    strategy = strategy_get(bot.strategy)
    assert strategy is not None
    return parse_inputs(strategy, bot.inputs.get(version=version).inputs)


def inputs_load(*, bot_id: UUID, version: int) -> dict[str, Any]:
    """One version of the bot's inputs, parsed, by the bot's id."""
    return inputs_of_version(Bot.objects.get(pk=bot_id), version)


def own_order_state(
    *, bot_id: UUID, client_ids: Collection[UUID], after: int, check_position: bool = False
) -> OwnOrderState:
    """State of these orders, every fill of the bot stored after the fill `after`, and its position view.

    Only `check_position` compares the position with the venue's; it then includes exactly these fills.
    """
    order_views = {
        client_id: OrderView(
            OrderStatus(order.status), order.message, cancel_requested=order.cancel_requested
        )
        for client_id, order in source_orders_by_client_id(bot_id, client_ids).items()
    }
    if check_position:
        position, last_fill = remaining_position(bot_id=bot_id)
        rows = [fill for fill in source_fills_after(bot_id, after) if fill.pk <= last_fill]
    else:
        rows = source_fills_after(bot_id, after)
        position = position_view(bot_id=bot_id, traded=bool(rows))
    return OwnOrderState(order_views, [_own_fill(row) for row in rows], position)


def _own_fill(fill: "Fill") -> OwnFill:
    return OwnFill(
        pk=fill.pk, client_id=fill.order.client_id, level_id=str(fill.order.provenance.get("level", "")),
        ref=f"{fill.order_id}:{fill.trade_id}", side=cast("Side", fill.side), price=fill.price, size=fill.size,
        fee=fill.fee, fee_asset=fill.fee_asset, time=fill.time,
    )  # fmt: skip


# --- writing -------------------------------------------------------------------------------------------
def decision_commit(*, claim: Claim, loaded: LoadedRun, made: DecisionBatch) -> CommitResult:
    """Store the snapshot, its journal entry and its order requests in one transaction.

    The lock order is the wallet's row, then the bot's (`fence`), as everywhere. An order that the risk check
    denies is stored as denied and reaches the bot through state synchronisation. Raises `LeaseLost`.
    """
    requests = made.requests
    prices = prices_of(loaded.spec.terms.instrument.venue) if requests else None
    needs_sync = False
    with transaction.atomic():
        if prices is not None:
            capped = cap_close_requests(loaded=loaded, requests=requests)
            placed = reduce_only_requests(
                loaded=loaded, position=made.snapshot.position.size, requests=capped
            )
            commands = [order_command(request) for request in placed]
            needs_sync = order_commands_execute(
                user=loaded.user, wallet_id=loaded.wallet, source=loaded.bot, commands=commands, prices=prices
            )
            needs_sync = needs_sync or len(commands) < len(requests)
        fence(claim)
        _store_run(loaded, made)
        _store_bot(loaded.bot, made.snapshot)
        BotJournalEntry.objects.create(
            bot_id=loaded.bot,
            run_id=loaded.run,
            number=made.number,
            kind=BotJournalEntry.Kind.DECISION,
            text=describe_decision(made)[:300],
            body={
                "format": FORMAT,
                "events": [encode(event) for event in made.events],
                "tick": encode(made.tick),
                "inputs": made.inputs_version,
                "requests": [describe_requests(request) for request in requests],
            },
        )
    return CommitResult(has_ended(made.snapshot), needs_sync)


def has_ended(snapshot: Snapshot) -> bool:
    """Whether the run has ended: stopped, or faulted with its stop policy completely applied."""
    if snapshot.status == Status.STOPPED:
        return True
    policy_applied = snapshot.policy == StopPolicy.KEEP or not (snapshot.live or snapshot.closing)
    return snapshot.status == Status.FAULTED and policy_applied


def order_command(request: Request) -> OrderCommand:
    """The wallet's order command for a request of the planner."""
    match request:
        case PlaceOrder():
            return OrderCommand(order=request.order)
        case ModifyOrder():
            return OrderCommand(
                order=request.order, replaces=request.client_id, known_filled=request.known_filled
            )
        case CancelOrder():
            return OrderCommand(replaces=request.client_id)


def describe_requests(request: Request) -> dict[str, Any]:
    """A request in its journal form."""
    match request:
        case CancelOrder():
            return {"cancel": str(request.client_id)}
        case PlaceOrder() | ModifyOrder():
            order = request.order
            placed = {
                "place": str(order.client_id), "level": request.level_id, "side": order.side,
                "price": str(order.price), "size": str(order.size),
            }  # fmt: skip
            return placed | ({"former": str(request.client_id)} if isinstance(request, ModifyOrder) else {})


def describe_decision(made: DecisionBatch) -> str:
    """One-line summary of a decision for the journal."""
    kinds = [type(request).__name__.removesuffix("Order").lower() for request in made.requests]
    requested = ", ".join(f"{kind} {kinds.count(kind)}" for kind in dict.fromkeys(kinds))
    counts = Counter(type(event).__name__ for event in made.events)
    events = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())
    return f"{events}: {requested or made.snapshot.status.value}"


def run_crashed(*, claim: Claim, crashes: Collection[int], reason: str) -> None:
    """Store that the bot's actor failed, for the next owner of the bot. Raises `LeaseLost`."""
    with transaction.atomic():
        fence(claim)
        bot = Bot.objects.get(pk=claim.pk)
        run = BotRun.objects.filter(bot=bot, ended_at=None).first()
        if run is not None:
            run.crashes = list(crashes)[-MAX_STORED_CRASHES:]
            run.save(update_fields=["crashes"])
            journal(bot, BotJournalEntry.Kind.STATUS, f"Crashed: {reason}", run=run)


def _store_run(loaded: LoadedRun, made: DecisionBatch) -> None:
    snapshot = made.snapshot
    changes: dict[str, Any] = {
        "snapshot": encode(snapshot), "last_decision": made.number, "last_fill_id": made.last_fill_id,
        "inputs_version": made.inputs_version, "code_hash": loaded.spec.code_hash,
    }  # fmt: skip
    if has_ended(snapshot):
        changes |= {"ended_at": timezone.now(), "end_reason": snapshot.reason[:300]}
    # Decision numbers are unique: a supervisor with a number that is already stored has an old snapshot.
    if not BotRun.objects.filter(pk=loaded.run, ended_at=None, last_decision=made.number - 1).update(
        **changes
    ):
        raise LeaseLost(f"run {loaded.run} was continued elsewhere after decision {made.number - 1}")


def _store_bot(bot_id: UUID, snapshot: Snapshot) -> None:
    reason_at = datetime.fromtimestamp(snapshot.reason_at / 1000, UTC) if snapshot.reason_at else None
    Bot.objects.filter(pk=bot_id).update(
        status=snapshot.status,
        reason=(snapshot.reason or snapshot.blocked_reason)[:300],
        reason_at=reason_at,
        traceback=snapshot.traceback,
        heartbeat_at=Now(),
    )


MIN_DAYS = 7  # a database trigger rejects the deletion of anything younger (migration 0002)
BATCH_SIZE = 20_000  # rows of one statement, so that no lock is held for long


def journal_trim(*, now: datetime) -> int:
    """Delete decisions of runs that ended over `BOT_JOURNAL_DAYS` ago, the oldest first. Returns how many.

    At most `BATCH_SIZE` rows per call; the rest is deleted by the next call.
    """
    before = now - timedelta(days=max(settings.BOT_JOURNAL_DAYS, MIN_DAYS))
    ended = BotRun.objects.filter(ended_at__lt=before).values("pk")
    rows = BotJournalEntry.objects.filter(run__in=ended, kind=BotJournalEntry.Kind.DECISION).order_by("pk")
    deleted, _ = BotJournalEntry.objects.filter(pk__in=rows.values("pk")[:BATCH_SIZE]).delete()
    return deleted
