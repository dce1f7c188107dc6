"""Bot management by their owners: preview, create, clone, change inputs, archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts.audit import AuditAction, record
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.events import TickReceived
from bots.domain.preview import StrategyPreview
from bots.domain.requests import BotRequest
from bots.domain.runner import RunSpec, preview
from bots.models import Bot, BotInputs, BotJournalEntry, LedgerCursor
from bots.sdk import InvalidInputs, Strategy, Terms, dump_inputs, parse_inputs
from bots.selectors import run_active, strategy_get, terms_of
from bots.selectors.market_data import candles_stored, tick_read
from bots.selectors.strategies import code_hash
from core.numbers import InvalidNumber, number_parse
from market.selectors import instrument_get
from wallets.selectors import prices_of, wallet_get
from wallets.services import supervisor_nudge

if TYPE_CHECKING:
    from accounts.models import User

if TYPE_CHECKING:
    from accounts.models import User

MAX_NAME_LENGTH = 60
MAX_BUDGET = Decimal(10**12)
BUDGET_STEP = Decimal("1e-8")


@dataclass(frozen=True, slots=True)
class ValidatedRequest:
    """A validated request to create a bot. `instrument` is a row of the market app; `inputs` are JSON values
    with defaults filled in."""

    strategy: type[Strategy]
    instrument: Any
    terms: Terms
    inputs: dict[str, Any]
    name: str


def bot_locked(*, user: "User", bot_id: UUID) -> Bot:
    """The user's bot, with its row locked. Raises `BotNotFound`."""
    rows = Bot.objects.select_for_update(no_key=True, of=("self",)).select_related("wallet", "instrument")
    bot = rows.filter(pk=bot_id, user=user, archived_at=None).first()
    if bot is None:
        raise BotNotFound("No such bot.")
    return bot


def owner_locked(user: "User") -> None:
    """Lock the user's row, so that concurrent requests are counted one after the other.

    Lock order: before the bot's row, never after it.
    """
    get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


def bot_create(*, user: "User", request: BotRequest, http: HttpRequest | None = None) -> Bot:
    """Create a stopped bot; the same `client_id` returns the same bot. Raises `BotInvalid`, `BotConflict`."""
    same_request = Bot.objects.filter(user=user, client_id=request.client_id)
    if existing := same_request.first():
        return existing
    validated = validate_request(user, request)
    with transaction.atomic():
        owner_locked(user)
        if existing := same_request.first():
            return existing
        if Bot.objects.filter(user=user, archived_at=None).count() >= settings.MAX_BOTS_PER_USER:
            raise BotConflict(f"At most {settings.MAX_BOTS_PER_USER} bots are allowed; archive one first.")
        bot = Bot.objects.create(
            user=user, client_id=request.client_id, wallet_id=request.wallet_id, leverage=request.leverage,
            instrument_id=validated.instrument.pk, strategy=request.strategy, name=validated.name,
            budget=validated.terms.budget,
        )  # fmt: skip
        LedgerCursor.objects.get_or_create(wallet_id=request.wallet_id)
        BotInputs.objects.create(bot=bot, version=1, inputs=validated.inputs)
        bot_record(
            AuditAction.BOT_CREATED, bot, user, http, strategy=request.strategy, inputs=validated.inputs
        )
    return bot


def bot_clone(
    *, user: "User", bot_id: UUID, client_id: UUID, name: str = "", http: HttpRequest | None = None
) -> Bot:
    """Create a stopped bot with the newest inputs of another one. Raises `BotNotFound` and `BotInvalid`."""
    bot = Bot.objects.select_related("instrument").filter(pk=bot_id, user=user).first()
    if bot is None:
        raise BotNotFound("No such bot.")
    newest = bot.inputs.get(version=bot.inputs_version)
    request = BotRequest(
        client_id=client_id, wallet_id=bot.wallet_id, symbol=bot.instrument.symbol, strategy=bot.strategy,
        budget=bot.budget, leverage=bot.leverage, inputs=newest.inputs, name=name or f"{bot.name} copy",
    )  # fmt: skip
    return bot_create(user=user, request=request, http=http)


def bot_inputs_update(
    *, user: "User", bot_id: UUID, inputs: Mapping[str, object], http: HttpRequest | None = None
) -> BotInputs:
    """Store a new version of the inputs. A running bot plans again and keeps the orders that still match.

    Unchanged inputs return the current version. Raises `BotNotFound`, `BotInvalid` and `BotConflict`.
    """
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        kind = strategy_get(bot.strategy)
        if kind is None:
            raise BotConflict(f"The strategy {bot.strategy} is no longer available.")
        values = validate_inputs(kind, inputs, terms_of(bot.instrument, bot.budget, bot.leverage))
        newest = bot.inputs.get(version=bot.inputs_version)
        if newest.inputs == values:
            return newest
        added = BotInputs.objects.create(bot=bot, version=newest.version + 1, inputs=values)
        bot.inputs_version = added.version
        bot.save(update_fields=["inputs_version"])
        journal(bot, BotJournalEntry.Kind.INPUTS, f"Inputs, version {added.version}.")
        bot_record(AuditAction.BOT_INPUTS_CHANGED, bot, user, http, version=added.version, inputs=values)
        supervisor_nudge([bot.pk])
    return added


def bot_archive(*, user: "User", bot_id: UUID, http: HttpRequest | None = None) -> Bot:
    """Archive a stopped bot. Raises `BotNotFound`, and `BotConflict` while it runs."""
    with transaction.atomic():
        bot = bot_locked(user=user, bot_id=bot_id)
        if run_active(bot):
            raise BotConflict("Stop the bot before archiving it.")
        bot.archived_at = timezone.now()
        bot.save(update_fields=["archived_at"])
        bot_record(AuditAction.BOT_ARCHIVED, bot, user, http)
    return bot


def validate_request(user: "User", request: BotRequest) -> ValidatedRequest:
    """Validate a request to create a bot. Raises `BotInvalid` with a sentence for each invalid field."""
    strategy, instrument = _strategy_and_instrument(user, request)
    errors: dict[str, str] = {}
    budget = _budget(request.budget, errors)
    max_leverage = instrument.max_leverage or 1
    if not 1 <= request.leverage <= max_leverage:
        errors["leverage"] = f"Between 1 and {max_leverage}."
    name = " ".join(request.name.split())
    if len(name) > MAX_NAME_LENGTH:
        errors["name"] = f"At most {MAX_NAME_LENGTH} characters."
    if errors:
        raise BotInvalid({**errors, **input_errors(strategy, request.inputs)})
    terms = terms_of(instrument, budget, request.leverage)
    inputs = validate_inputs(strategy, request.inputs, terms)
    return ValidatedRequest(strategy, instrument, terms, inputs, name or strategy.title)


def input_errors(kind: type[Strategy], raw: Mapping[str, object]) -> dict[str, str]:
    """Errors of the inputs that do not depend on the terms (instrument, budget, leverage)."""
    try:
        parse_inputs(kind, raw)
    except InvalidInputs as invalid:
        return invalid.errors
    return {}


def validate_inputs(kind: type[Strategy], raw: Mapping[str, object], terms: Terms) -> dict[str, Any]:
    """The inputs as JSON values, with defaults. Raises `BotInvalid` with a sentence per invalid input."""
    try:
        values = parse_inputs(kind, raw)
    except InvalidInputs as invalid:
        raise BotInvalid(invalid.errors) from invalid
    if problems := kind(values).validate(terms):
        raise BotInvalid(problems)
    return dump_inputs(values)


def journal(bot: Bot, kind: str, text: str, **more: Any) -> None:
    """Append an entry to the bot's journal."""
    BotJournalEntry.objects.create(bot=bot, kind=kind, text=text[:300], **more)


def _strategy_and_instrument(user: "User", request: BotRequest) -> tuple[type[Strategy], Any]:
    """The strategy, and the instrument at the venue of the user's wallet. Raises `BotInvalid`."""
    wallet = wallet_get(user, request.wallet_id)
    if wallet is None or wallet.user_id != user.pk:  # some roles may read other users' wallets
        raise BotInvalid({"wallet": "No such wallet."})
    strategy = strategy_get(request.strategy)
    if strategy is None:
        raise BotInvalid({"strategy": "No such strategy."})
    instrument = instrument_get(wallet.venue_id, request.symbol)
    if instrument is None:
        raise BotInvalid({"symbol": f"{wallet.venue_id} has no such instrument."})
    return strategy, instrument


def _budget(raw: Decimal | str, errors: dict[str, str]) -> Decimal:
    """The budget as a number; adds a sentence to `errors` when it is invalid."""
    try:
        amount = number_parse(raw) if isinstance(raw, str) else raw
    except InvalidNumber:
        errors["budget"] = f"{raw!r} is not a number."
        return Decimal(0)
    if not amount.is_finite() or not 0 < amount <= MAX_BUDGET:
        errors["budget"] = "Must be greater than 0."
    elif amount % BUDGET_STEP:
        errors["budget"] = "At most 8 decimals."
    return amount


def bot_record(action: AuditAction, bot: Bot, user: "User", http: HttpRequest | None, **data: Any) -> None:
    """Write an audit log entry about the bot."""
    record(action=action, actor=user, subject=f"bot:{bot.pk}", data=data, request=http)


NIL_RUN_ID = UUID(int=0)  # the run id seeds the random numbers: they are the same in every preview
NO_PRICE = "There is no current price for this instrument, so no orders can be previewed."


def bot_preview(*, user: "User", request: BotRequest, now: int) -> StrategyPreview:
    """The levels that the bot would place now, or the reason for none. Raises `BotInvalid`."""
    validated = validate_request(user, request)
    instrument = validated.terms.instrument
    tick = tick_read(prices_of(instrument.venue), instrument.symbol)
    if tick is None:
        return StrategyPreview(validated.terms, (), NO_PRICE, None)
    spec = _spec(validated)
    requirements = validated.strategy(spec.inputs).requirements()
    interval, count = requirements.interval, requirements.candles
    candles = candles_stored(instrument, interval, count) if interval and count else ()
    levels, reason = preview(spec, TickReceived(now, tick), candles)
    return StrategyPreview(validated.terms, levels, reason, tick.last if tick.mark is None else tick.mark)


def _spec(validated: ValidatedRequest) -> RunSpec:
    inputs = parse_inputs(validated.strategy, validated.inputs)
    return RunSpec(NIL_RUN_ID, validated.strategy, validated.terms, inputs, 1, code_hash(validated.strategy))
