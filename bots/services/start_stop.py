"""Start and stop of bots: stores the desired state, which a supervisor then applies."""

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts.audit import AuditAction
from bots.domain.codec import decode, encode
from bots.domain.errors import BotConflict
from bots.domain.lifecycle import Status, StopPolicy
from bots.domain.snapshot import Snapshot
from bots.models import Bot, BotJournalEntry, BotRun
from bots.selectors import code_hash, run_active, run_last, strategy_get
from bots.services.bots import bot_locked, bot_record, journal, owner_locked
from wallets.services import supervisor_nudge

if TYPE_CHECKING:
    from accounts.models import User


def bot_start(*, user: "User", bot_id: UUID, http: HttpRequest | None = None) -> BotRun:
    """Start the bot; returns its new run, or the active one. Raises `BotNotFound` and `BotConflict`."""
    with transaction.atomic():
        owner_locked(user)
        bot = bot_locked(user=user, bot_id=bot_id)
        strategy = strategy_get(bot.strategy)
        if strategy is None:
            raise BotConflict(f"The strategy {bot.strategy} is no longer available.")
        if active := run_active(bot):
            if bot.desired == Bot.Desired.RUNNING and bot.status != Status.FAULTED:
                return active
            raise BotConflict("The bot is still stopping; start it again in a moment.")
        if BotRun.objects.filter(bot__user=user, ended_at=None).count() >= settings.MAX_RUNNING_BOTS_PER_USER:
            raise BotConflict(f"At most {settings.MAX_RUNNING_BOTS_PER_USER} bots may run; stop one first.")
        last = run_last(bot)
        run = BotRun.objects.create(
            bot=bot,
            snapshot=encode(initial_snapshot(last)),
            inputs_version=bot.inputs_version,
            code_hash=code_hash(strategy),
            last_fill_id=last.last_fill_id if last else 0,
        )
        bot.desired, bot.stop_policy, bot.stop_reason = Bot.Desired.RUNNING, "", ""
        bot.status, bot.reason, bot.traceback = Status.STARTING, "", ""
        bot.save(update_fields=["desired", "stop_policy", "stop_reason", "status", "reason", "traceback"])
        journal(bot, BotJournalEntry.Kind.REQUEST, "Started.", run=run)
        bot_record(AuditAction.BOT_STARTED, bot, user, http, run=str(run.pk), inputs=bot.inputs_version)
        supervisor_nudge([bot.pk])
    return run


def bot_stop(
    *,
    user: "User",
    bot_id: UUID,
    policy: StopPolicy,
    reason: str = "Stopped by its owner.",
    http: HttpRequest | None = None,
) -> Bot:
    """Request a stop; the supervisor applies the policy. A second request replaces the first one.

    Raises `BotNotFound`.
    """
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        stop_locked(bot, policy, reason, actor=user, http=http)
    return bot


def stop_locked(
    bot: Bot, policy: StopPolicy, reason: str, *, actor: "User", http: HttpRequest | None = None
) -> None:
    """Request a stop of a bot with a locked row. A bot that does not run is left unchanged."""
    run = run_active(bot)
    if run is None:
        return
    bot.desired, bot.stop_policy, bot.stop_reason = Bot.Desired.STOPPED, policy, reason[:300]
    bot.save(update_fields=["desired", "stop_policy", "stop_reason"])
    journal(bot, BotJournalEntry.Kind.REQUEST, f"{reason} ({StopPolicy(policy).replace('_', ' ')})", run=run)
    bot_record(AuditAction.BOT_STOPPED, bot, actor, http, policy=str(policy), reason=reason)
    supervisor_nudge([bot.pk])


def bot_force_stop(*, actor: "User", bot_id: UUID, http: HttpRequest | None = None) -> None:
    """Stop by an administrator: cancels the bot's orders and ends its run. The owner is not checked."""
    with transaction.atomic():
        bot = Bot.objects.select_for_update(no_key=True, of=("self",)).get(pk=bot_id)
        stop_locked(bot, StopPolicy.CANCEL_OWN, "Stopped by an administrator.", actor=actor, http=http)


def initial_snapshot(last: BotRun | None) -> Snapshot:
    """Initial snapshot of a new run: position and live orders of the last run.

    The strategy's own state is inherited too if there is a position or a live order, unless the last run
    faulted: that state may be the cause.
    """
    if last is None:
        return Snapshot()
    old: Snapshot = decode(last.snapshot)
    initial = Snapshot(position=old.position, live=old.live)
    if old.status == Status.FAULTED or not (old.position.size or old.live):
        return initial
    return replace(initial, state=old.state)
