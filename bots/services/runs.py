"""For the supervisor: a run as it is stored, and each decision stored with all that it asks for."""

import logging
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from bots.domain.codec import decode, encode
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.order_planner import CancelOrder, ModifyOrder, PlaceOrder, Request
from bots.domain.runner import Spec
from bots.domain.snapshot import Snapshot
from bots.domain.state_sync import Standing
from bots.models import Bot, BotEvent, Run
from bots.sdk import Side, inputs_read
from bots.selectors import bot_terms, code_hash, strategy_get
from bots.services.bots import journal
from bots.services.dto import Committed, Loaded, Made, OwnFacts, OwnFill
from bots.services.position_close import capped, money_of, what_remains
from market.leases import Claim, LeaseLost, fence
from wallets.domain.status import OrderStatus
from wallets.selectors import prices_of, source_fills_after, source_orders_named
from wallets.services import Ask, asks_carry_out

logger = logging.getLogger(__name__)

CRASHES_KEPT = 20


class StrategyGone(Exception):
    """The house has no strategy of that name any more."""


# --- reading -------------------------------------------------------------------------------------------
def run_load(*, claim: Claim) -> Loaded:
    """The run that goes on. Raises `LeaseLost` when there is none any more, and `StrategyGone`."""
    bot = Bot.objects.select_related("instrument", "user").get(pk=claim.pk)
    run = Run.objects.filter(bot=bot, ended_at=None).first()
    if run is None or bot.owner_epoch != claim.epoch:
        raise LeaseLost(f"bot {bot.pk} has no run for us")
    strategy = strategy_get(bot.strategy)
    if strategy is None:
        raise StrategyGone(f"There is no strategy {bot.strategy} in this house.")
    spec = Spec(
        run=run.pk,
        strategy=strategy,
        terms=bot_terms(bot),
        inputs=inputs_of_version(bot, run.inputs_version),
        inputs_version=run.inputs_version,
        code=code_hash(strategy),
    )
    return Loaded(
        bot=bot.pk, run=run.pk, user=bot.user, wallet=bot.wallet_id, name=bot.name,
        instrument_id=bot.instrument_id, spec=spec, snapshot=decode(run.snapshot), decisions=run.decisions,
        fills_until=run.fills_until, crashes=tuple(run.crashes),
    )  # fmt: skip


def inputs_of_version(bot: Bot, version: int) -> dict[str, Any]:
    strategy = strategy_get(bot.strategy)
    assert strategy is not None
    return inputs_read(strategy, bot.inputs.get(version=version).inputs)


def inputs_load(*, bot_id: UUID, version: int) -> dict[str, Any]:
    return inputs_of_version(Bot.objects.get(pk=bot_id), version)


def own_facts(*, bot_id: UUID, client_ids: Collection[UUID], after: int, remains: bool = False) -> OwnFacts:
    """How these orders stand, every fill of the bot booked after the fill `after`, and its money.

    Only with `remains` it is looked up what is left of its position; the money then knows just these fills.
    """
    standings = {
        client_id: Standing(OrderStatus(order.status), order.message, asked_to_end=order.cancel_asked)
        for client_id, order in source_orders_named(bot_id, client_ids).items()
    }
    if remains:
        money, until = what_remains(bot_id=bot_id)
        rows = [fill for fill in source_fills_after(bot_id, after) if fill.pk <= until]
    else:
        rows = source_fills_after(bot_id, after)
        money = money_of(bot_id=bot_id, traded=bool(rows))
    return OwnFacts(standings, [_own_fill(row) for row in rows], money)


def _own_fill(fill: Any) -> OwnFill:
    return OwnFill(
        pk=fill.pk, client_id=fill.order.client_id, level_id=str(fill.order.why.get("level", "")),
        ref=f"{fill.order_id}:{fill.trade_id}", side=cast("Side", fill.side), price=fill.price, size=fill.size,
        fee=fill.fee, fee_asset=fill.fee_asset, time=fill.time,
    )  # fmt: skip


# --- writing -------------------------------------------------------------------------------------------
def decision_commit(*, claim: Claim, loaded: Loaded, made: Made) -> Committed:
    """The snapshot, its journal entry and everything that it asks for, in one transaction.

    The wallet's row is locked first, then the bot's (`fence`), as everywhere. What the wallet denies is
    stored as a denied order, which the bot is told like any other fact. Raises `LeaseLost`.
    """
    requests = made.requests
    prices = prices_of(loaded.spec.terms.instrument.venue) if requests else None
    news = False
    with transaction.atomic():
        if prices is not None:
            asks = [ask_of(request) for request in capped(loaded=loaded, requests=requests)]
            news = asks_carry_out(
                user=loaded.user, wallet_id=loaded.wallet, source=loaded.bot, asks=asks, prices=prices
            )
            news = news or len(asks) < len(requests)
        fence(claim)
        _store_run(loaded, made)
        _store_bot(loaded.bot, made.snapshot)
        BotEvent.objects.create(
            bot_id=loaded.bot,
            run_id=loaded.run,
            number=made.number,
            kind=BotEvent.Kind.DECISION,
            text=sentence(made)[:300],
            body={
                "events": [encode(event) for event in made.events],
                "tick": encode(made.tick),
                "inputs": made.inputs_version,
                "requests": [asked(request) for request in requests],
            },
        )
    return Committed(is_over(made.snapshot), news)


def is_over(snapshot: Snapshot) -> bool:
    """Is nothing left to be done for this run?"""
    if snapshot.status == Status.STOPPED:
        return True
    settled = snapshot.policy == StopPolicy.KEEP or not (snapshot.live or snapshot.closing)
    return snapshot.status == Status.FAULTED and settled


def ask_of(request: Request) -> Ask:
    match request:
        case PlaceOrder():
            return Ask(order=request.order)
        case ModifyOrder():
            return Ask(order=request.order, former=request.client_id)
        case CancelOrder():
            return Ask(former=request.client_id)


def asked(request: Request) -> dict[str, Any]:
    """A request as the journal keeps it."""
    match request:
        case CancelOrder():
            return {"cancel": str(request.client_id)}
        case PlaceOrder() | ModifyOrder():
            order = request.order
            said = {
                "place": str(order.client_id), "level": request.level_id, "side": order.side,
                "price": str(order.price), "size": str(order.size),
            }  # fmt: skip
            return said | ({"former": str(request.client_id)} if isinstance(request, ModifyOrder) else {})


def sentence(made: Made) -> str:
    """One line for people."""
    kinds = [type(request).__name__.removesuffix("Order").lower() for request in made.requests]
    what = ", ".join(f"{kind} {kinds.count(kind)}" for kind in dict.fromkeys(kinds))
    told = Counter(type(event).__name__ for event in made.events)
    heard = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in told.items())
    return f"{heard}: {what or made.snapshot.status.value}"


def run_crashed(*, claim: Claim, crashes: Collection[int], reason: str) -> None:
    """Remember that the process around the bot failed, for whoever drives it next. Raises `LeaseLost`."""
    with transaction.atomic():
        fence(claim)
        bot = Bot.objects.get(pk=claim.pk)
        run = Run.objects.filter(bot=bot, ended_at=None).first()
        if run is not None:
            run.crashes = list(crashes)[-CRASHES_KEPT:]
            run.save(update_fields=["crashes"])
            journal(bot, BotEvent.Kind.STATUS, f"Crashed: {reason}", run=run)


def _store_run(loaded: Loaded, made: Made) -> None:
    snapshot = made.snapshot
    changes: dict[str, Any] = {
        "snapshot": encode(snapshot), "decisions": made.number, "fills_until": made.fills_until,
        "inputs_version": made.inputs_version, "code": loaded.spec.code,
    }  # fmt: skip
    if is_over(snapshot):
        changes |= {"ended_at": timezone.now(), "ended_why": snapshot.reason[:300]}
    # A decision is made once: whoever comes with a number that is taken works from an old snapshot.
    if not Run.objects.filter(pk=loaded.run, ended_at=None, decisions=made.number - 1).update(**changes):
        raise LeaseLost(f"run {loaded.run} went on without us after decision {made.number - 1}")


def _store_bot(bot_id: UUID, snapshot: Snapshot) -> None:
    when = datetime.fromtimestamp(snapshot.checked_at / 1000, UTC) if snapshot.checked_at else None
    Bot.objects.filter(pk=bot_id).update(
        status=snapshot.status,
        reason=(snapshot.reason or snapshot.held_back)[:300],
        checked_at=when,
        trace=snapshot.trace,
        heartbeat_at=Now(),
    )
