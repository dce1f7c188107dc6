"""Bots as their owners make, change and put them away."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from accounts.audit import AuditAction, record
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.requests import BotRequest
from bots.models import BooksMark, Bot, BotEvent, BotInputs
from bots.sdk import InputsInvalid, Strategy, Terms, inputs_read, inputs_write
from bots.selectors import run_active, strategy_get, terms_of
from market.selectors import instrument_get
from wallets.selectors import wallet_get
from wallets.services import sources_nudge

NAME_LONGEST = 60
BUDGET_MOST = Decimal(10**12)


@dataclass(frozen=True, slots=True)
class Judged:
    """A bot that may be made. `instrument` is a row of the market's, `inputs` as JSON, defaults filled in."""

    strategy: type[Strategy]
    instrument: Any
    terms: Terms
    inputs: dict[str, Any]
    name: str


def bot_locked(*, user: Any, bot_id: UUID) -> Bot:
    """The user's bot, its row locked. Raises `BotNotFound`."""
    rows = Bot.objects.select_for_update(no_key=True, of=("self",)).select_related("wallet", "instrument")
    bot = rows.filter(pk=bot_id, user=user, archived_at=None).first()
    if bot is None:
        raise BotNotFound("There is no such bot.")
    return bot


def owner_locked(user: Any) -> None:
    """Two at once are counted one after the other. Before the bot's row, never after it."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


def bot_create(*, user: Any, request: BotRequest, http: Any = None) -> Bot:
    """A stopped bot; the same one when this `client_id` was here before. Raises `BotInvalid`, `BotConflict`."""
    same = Bot.objects.filter(user=user, client_id=request.client_id)
    if known := same.first():
        return known
    asked = request_judged(user, request)
    with transaction.atomic():
        owner_locked(user)
        if known := same.first():
            return known
        if Bot.objects.filter(user=user, archived_at=None).count() >= settings.BOTS_MOST:
            raise BotConflict(f"{settings.BOTS_MOST} bots are the most; archive one first.")
        bot = Bot.objects.create(
            user=user, client_id=request.client_id, wallet_id=request.wallet_id, instrument_id=asked.instrument.pk,
            strategy=request.strategy, name=asked.name, budget=asked.terms.budget, leverage=request.leverage,
        )  # fmt: skip
        BooksMark.objects.get_or_create(wallet_id=request.wallet_id)
        BotInputs.objects.create(bot=bot, version=1, inputs=asked.inputs)
        bot_record(AuditAction.BOT_CREATED, bot, user, http, strategy=request.strategy, inputs=asked.inputs)
    return bot


def bot_clone(*, user: Any, bot_id: UUID, client_id: UUID, name: str = "", http: Any = None) -> Bot:
    """A stopped bot with the newest inputs of another one. Raises `BotNotFound` and `BotInvalid`."""
    bot = Bot.objects.select_related("instrument").filter(pk=bot_id, user=user).first()
    if bot is None:
        raise BotNotFound("There is no such bot.")
    newest = bot.inputs.get(version=bot.inputs_version)
    request = BotRequest(
        client_id=client_id, wallet_id=bot.wallet_id, symbol=bot.instrument.symbol, strategy=bot.strategy,
        budget=bot.budget, leverage=bot.leverage, inputs=newest.inputs, name=name or f"{bot.name} again",
    )  # fmt: skip
    return bot_create(user=user, request=request, http=http)


def bot_inputs_set(*, user: Any, bot_id: UUID, inputs: Mapping[str, object], http: Any = None) -> BotInputs:
    """A new version; a bot that runs re-plans with it and keeps the orders that still stand well.

    The same inputs again are the same version. Raises `BotNotFound` and `BotInvalid`.
    """
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        kind = strategy_get(bot.strategy)
        if kind is None:
            raise BotConflict(f"The strategy {bot.strategy} is not in this house any more.")
        values = inputs_judged(kind, inputs, terms_of(bot.instrument, bot.budget, bot.leverage))
        newest = bot.inputs.get(version=bot.inputs_version)
        if newest.inputs == values:
            return newest
        added = BotInputs.objects.create(bot=bot, version=newest.version + 1, inputs=values)
        bot.inputs_version = added.version
        bot.save(update_fields=["inputs_version"])
        journal(bot, BotEvent.Kind.INPUTS, f"Inputs, version {added.version}.")
        bot_record(AuditAction.BOT_INPUTS_CHANGED, bot, user, http, version=added.version, inputs=values)
        sources_nudge([bot.pk])
    return added


def bot_archive(*, user: Any, bot_id: UUID, http: Any = None) -> Bot:
    """Put a stopped bot away. Raises `BotNotFound`, and `BotConflict` while it runs."""
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        if run_active(bot):
            raise BotConflict("Stop it first.")
        bot.archived_at = timezone.now()
        bot.save(update_fields=["archived_at"])
        bot_record(AuditAction.BOT_ARCHIVED, bot, user, http)
    return bot


def request_judged(user: Any, request: BotRequest) -> Judged:
    """Raises `BotInvalid` with a sentence for each thing that is wrong."""
    strategy, instrument = _places(user, request)
    errors: dict[str, str] = {}
    budget = _budget(request.budget, errors)
    most = instrument.max_leverage or 1
    if not 1 <= request.leverage <= most:
        errors["leverage"] = f"Between 1 and {most}."
    name = " ".join(request.name.split())
    if len(name) > NAME_LONGEST:
        errors["name"] = f"At most {NAME_LONGEST} characters."
    if errors:
        raise BotInvalid({**errors, **inputs_wrong(strategy, request.inputs)})
    terms = terms_of(instrument, budget, request.leverage)
    inputs = inputs_judged(strategy, request.inputs, terms)
    return Judged(strategy, instrument, terms, inputs, name or strategy.title)


def inputs_wrong(kind: type[Strategy], raw: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with inputs by themselves, on whatever terms."""
    try:
        inputs_read(kind, raw)
    except InputsInvalid as invalid:
        return invalid.errors
    return {}


def inputs_judged(kind: type[Strategy], raw: Mapping[str, object], terms: Any) -> dict[str, Any]:
    """Inputs as JSON, defaults filled in. Raises `BotInvalid` with a sentence for each that is wrong."""
    try:
        values = inputs_read(kind, raw)
    except InputsInvalid as invalid:
        raise BotInvalid(invalid.errors) from invalid
    if problems := kind(values).problems(terms):
        raise BotInvalid(problems)
    return inputs_write(values)


def journal(bot: Bot, kind: str, text: str, **more: Any) -> None:
    BotEvent.objects.create(bot=bot, kind=kind, text=text[:300], **more)


def _places(user: Any, request: BotRequest) -> tuple[type[Strategy], Any]:
    """The strategy, and the instrument at the venue of the user's wallet. Raises `BotInvalid`."""
    wallet = wallet_get(user, request.wallet_id)
    if wallet is None or wallet.user_id != user.pk:  # others' may be read by some
        raise BotInvalid({"wallet": "There is no such wallet."})
    strategy = strategy_get(request.strategy)
    if strategy is None:
        raise BotInvalid({"strategy": "There is no such strategy."})
    instrument = instrument_get(wallet.venue_id, request.symbol)
    if instrument is None:
        raise BotInvalid({"symbol": f"{wallet.venue_id} has no such instrument."})
    return strategy, instrument


def _budget(raw: Decimal | str, errors: dict[str, str]) -> Decimal:
    """The amount; a sentence in `errors` when it is none."""
    try:
        amount = Decimal(raw)
    except InvalidOperation:
        errors["budget"] = f"{raw!r} is not a number."
        return Decimal(0)
    if not amount.is_finite() or not 0 < amount <= BUDGET_MOST:
        errors["budget"] = "Above 0."
    return amount


def bot_record(action: AuditAction, bot: Bot, user: Any, http: Any, **data: Any) -> None:
    record(action=action, actor=user, subject=f"bot:{bot.pk}", data=data, request=http)
