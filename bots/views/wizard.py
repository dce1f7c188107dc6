"""Wizard for a new bot: choose a strategy, enter the settings with a preview, review, create."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.authentication import SignedInHttpRequest
from bots import selectors, services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.preview import StrategyPreview
from bots.forms import DefinitionForm, NewBotForm
from bots.models import Bot
from bots.sdk import Strategy
from bots.strategies import STRATEGIES
from bots.views.base import private, redirect_with_message, render_error
from market.domain.events import INTERVALS
from market.selectors import instrument_get, instrument_list, market_row, market_table
from wallets.selectors import wallets_of

INTERVAL = "15m"
UNPROCESSABLE = 422


@private
@require_http_methods(["GET", "POST"])
def new(request: SignedInHttpRequest) -> HttpResponse:
    """Wizard page. POST with `step`: `review` shows the review page, `edit` goes back, `create` and `start`
    create the bot."""
    key = request.GET.get("strategy", "")
    if not key:
        return choose(request, DefinitionForm())
    strategy, wallets = _strategy(key), _wallets(request)
    if request.method == "GET":
        return _settings(
            request, NewBotForm(strategy, wallets=wallets, initial=_initial_values(request, wallets)), key
        )
    step = request.POST.get("step", "review")
    if step == "edit":
        return _settings(request, NewBotForm.unsaved_values(strategy, request.POST, wallets=wallets), key)
    form = NewBotForm(strategy, request.POST, wallets=wallets)
    bot_preview = _preview(request, form, key)
    if bot_preview is None:
        return _settings(request, form, key, status=UNPROCESSABLE)
    if step == "review":
        context = {
            "form": form,
            "key": key,
            "strategy": _strategy_info(key),
            "outlook": bot_preview,
            "sent": _submitted_values(request),
        }
        return render(request, "bots/review.html", context)
    return _create(request, form, key, start=step == "start")


def choose(request: SignedInHttpRequest, form: DefinitionForm, status: int = 200) -> HttpResponse:
    """First step: choose a strategy or upload a definition."""
    context = {"strategies": [_strategy_info(key) for key in STRATEGIES], "form": form}
    return render(request, "bots/choose.html", context, status=status)


@private
@require_POST
def load(request: SignedInHttpRequest) -> HttpResponse:
    """The settings page, filled in from an uploaded definition; nothing is stored."""
    form = DefinitionForm(request.POST, request.FILES)
    if not form.is_valid():
        return choose(request, form, status=UNPROCESSABLE)
    key, (common, inputs) = form.cleaned_data["file"]["strategy"], form.initial_values()
    wallets = _wallets(request)
    initial = {**_initial_values(request, wallets), **common}
    return _settings(request, NewBotForm(_strategy(key), wallets=wallets, initial=initial, given=inputs), key)


@private
@require_GET
def preview(request: SignedInHttpRequest, key: str) -> HttpResponse:
    """Preview of the current settings: a fragment that is reloaded while the user types."""
    form = NewBotForm(_strategy(key), request.GET, wallets=_wallets(request))
    bot_preview = _preview(request, form, key)
    return render(request, "bots/preview.html", {"form": form, "outlook": bot_preview})


def _preview(request: SignedInHttpRequest, form: NewBotForm, key: str) -> StrategyPreview | None:
    """The preview of the form's bot; None when the form has errors."""
    if not form.is_valid():
        return None
    try:
        now = int(timezone.now().timestamp() * 1000)
        return services.bot_preview(user=request.user, request=form.request(key), now=now)
    except BotInvalid as invalid:
        form.add_refusal(invalid.errors)
    return None


def _create(request: SignedInHttpRequest, form: NewBotForm, key: str, *, start: bool) -> HttpResponse:
    try:
        bot = services.bot_create(user=request.user, request=form.request(key), http=request)
    except BotInvalid as invalid:
        form.add_refusal(invalid.errors)
        return _settings(request, form, key, status=UNPROCESSABLE)
    except BotConflict as conflict:
        form.add_error(None, conflict.message)
        return _settings(request, form, key, status=UNPROCESSABLE)
    return (
        _start(request, bot)
        if start
        else redirect_with_message(request, bot, _("%(bot)s was created.") % {"bot": bot.name})
    )


def _start(request: SignedInHttpRequest, bot: Bot) -> HttpResponse:
    try:
        services.bot_start(user=request.user, bot_id=bot.pk, http=request)
    except BotConflict as conflict:
        return render_error(request, bot, conflict)
    sentence = _("%(bot)s was created and is being started.") % {"bot": bot.name}
    return redirect_with_message(request, bot, sentence)


def _settings(request: SignedInHttpRequest, form: NewBotForm, key: str, status: int = 200) -> HttpResponse:
    wallets = _wallets(request)
    instrument = _chart_instrument(form, wallets)
    context: dict[str, Any] = {
        "form": form, "key": key, "strategy": _strategy_info(key), "wallets": wallets, "interval": INTERVAL,
        "intervals": list(INTERVALS), "row": market_row(instrument) if instrument else None,
        "symbols": instrument_list(venue=instrument.venue_id if instrument else ""),
    }  # fmt: skip
    return render(request, "bots/new.html", context, status=status)


def _chart_instrument(form: NewBotForm, wallets: list[Any]) -> Any:
    """The instrument on the chart: the one that was entered, else the most traded one of the venue."""
    wallet_id = str(form["wallet"].value() or "")
    wallet = next((one for one in wallets if str(one.pk) == wallet_id), wallets[0] if wallets else None)
    if wallet is None:
        return None
    symbol = str(form["symbol"].value() or "").strip()
    return instrument_get(wallet.venue_id, symbol) or _most_traded(wallet.venue_id)


def _initial_values(request: SignedInHttpRequest, wallets: list[Any]) -> dict[str, Any]:
    """Initial values: from the query string, else an instrument of the first wallet's venue."""
    params = {name: request.GET[name] for name in ("wallet", "symbol") if name in request.GET}
    instrument = _most_traded(wallets[0].venue_id) if wallets else None
    return {"symbol": instrument.symbol if instrument else "", **params}


def _most_traded(venue: str) -> Any:
    """The instrument with the top volume, perpetuals before spot; None: the venue has no instruments yet."""
    rows = market_table(venue=venue, kind="perp", limit=1).rows or market_table(venue=venue, limit=1).rows
    return rows[0].instrument if rows else None


def _wallets(request: SignedInHttpRequest) -> list[Any]:
    return [wallet for wallet in wallets_of(request.user) if wallet.status == "active"]


def _strategy(key: str) -> type[Strategy]:
    strategy = selectors.strategy_get(key)
    if strategy is None:
        raise Http404(_("No such strategy."))
    return strategy


def _strategy_info(key: str) -> dict[str, str]:
    """Description of a strategy for templates. (Templates would call, and so instantiate, the class.)"""
    strategy = _strategy(key)
    return {"key": key, "title": strategy.title, "summary": strategy.summary}


def _submitted_values(request: SignedInHttpRequest) -> list[tuple[str, str]]:
    """The submitted values, for hidden fields of the review form."""
    excluded = ("csrfmiddlewaretoken", "step")
    return [(name, str(value)) for name, value in request.POST.items() if name not in excluded]
