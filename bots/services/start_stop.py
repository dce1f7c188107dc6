"""Starting and stopping: what is wanted is written here, and a supervisor makes it so."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.audit import AuditAction
from bots.domain.codec import decode, encode
from bots.domain.errors import BotConflict
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.snapshot import Snapshot
from bots.models import Bot, BotEvent, Run
from bots.selectors import code_hash, run_active, run_last, strategy_get
from bots.services.bots import bot_locked, bot_record, journal, owner_locked
from wallets.services import sources_nudge


def bot_start(*, user: Any, bot_id: UUID, http: Any = None) -> Run:
    """Its new run; the one that is going on when there is one. Raises `BotNotFound` and `BotConflict`."""
    with transaction.atomic():
        owner_locked(user)
        bot = bot_locked(user=user, bot_id=bot_id)
        strategy = strategy_get(bot.strategy)
        if strategy is None:
            raise BotConflict(f"The strategy {bot.strategy} is not in this house any more.")
        if active := run_active(bot):
            if bot.desired == Bot.Desired.RUNNING and bot.status != Status.FAULTED:
                return active
            raise BotConflict("It is still being stopped; start it again in a moment.")
        if Run.objects.filter(bot__user=user, ended_at=None).count() >= settings.BOTS_RUNNING_MOST:
            raise BotConflict(f"{settings.BOTS_RUNNING_MOST} running bots are the most; stop one first.")
        last = run_last(bot)
        run = Run.objects.create(
            bot=bot,
            snapshot=encode(begun_after(last)),
            inputs_version=bot.inputs_version,
            code=code_hash(strategy),
            fills_until=last.fills_until if last else 0,
        )
        bot.desired, bot.stop_policy, bot.stop_reason = Bot.Desired.RUNNING, "", ""
        bot.status, bot.reason, bot.trace = Status.STARTING, "", ""
        bot.save(update_fields=["desired", "stop_policy", "stop_reason", "status", "reason", "trace"])
        journal(bot, BotEvent.Kind.REQUEST, "Started.", run=run)
        bot_record(AuditAction.BOT_STARTED, bot, user, http, run=str(run.pk), inputs=bot.inputs_version)
        sources_nudge([bot.pk])
    return run


def bot_stop(
    *, user: Any, bot_id: UUID, policy: StopPolicy, reason: str = "Stopped by its owner.", http: Any = None
) -> Bot:
    """Its supervisor carries the policy out; a second wish replaces the first. Raises `BotNotFound`."""
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        stop_locked(bot, policy, reason, actor=user, http=http)
    return bot


def stop_locked(bot: Bot, policy: StopPolicy, reason: str, *, actor: Any, http: Any = None) -> None:
    """Stop a bot whose row is locked. One that does not run stays as it is."""
    run = run_active(bot)
    if run is None:
        return
    bot.desired, bot.stop_policy, bot.stop_reason = Bot.Desired.STOPPED, policy, reason[:300]
    bot.save(update_fields=["desired", "stop_policy", "stop_reason"])
    journal(bot, BotEvent.Kind.REQUEST, f"{reason} ({StopPolicy(policy).replace('_', ' ')})", run=run)
    bot_record(AuditAction.BOT_STOPPED, bot, actor, http, policy=str(policy), reason=reason)
    sources_nudge([bot.pk])


def bot_force_stop(*, actor: Any, bot_id: UUID, http: Any = None) -> None:
    """An administrator's: cancels the bot's orders and ends its run, whoever owns it."""
    with transaction.atomic():
        bot = Bot.objects.select_for_update(no_key=True, of=("self",)).get(pk=bot_id)
        stop_locked(bot, StopPolicy.CANCEL_OWN, "Stopped by an administrator.", actor=actor, http=http)


def begun_after(last: Run | None) -> Snapshot:
    """What a new run takes over: what the bot holds and which of its orders still live. The strategy's own
    memory comes along while there is something to remember, unless it was that which failed."""
    if last is None:
        return Snapshot()
    old: Snapshot = decode(last.snapshot)
    begun = Snapshot(position=old.position, live=old.live)
    if old.status == Status.FAULTED or not (old.position.size or old.live):
        return begun
    return replace(begun, state=old.state)
