"""A new bot: first its strategy, then its settings with a preview, then a last look at them."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from bots import selectors, services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.preview import Outlook
from bots.forms import DefinitionForm, NewBotForm
from bots.models import Bot
from bots.sdk import Strategy
from bots.strategies import STRATEGIES
from bots.views.base import done, private, refused
from market.domain.events import INTERVALS
from market.selectors import board_get, board_row, instrument_get, instrument_list
from wallets.selectors import wallets_of

INTERVAL = "15m"
REFUSED = 422


@private
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """POST with `step`: `review` shows what would be made, `edit` goes back, `create` and `start` make it."""
    key = request.GET.get("strategy", "")
    if not key:
        return choose(request, DefinitionForm())
    strategy, wallets = _strategy(key), _wallets(request)
    if request.method == "GET":
        return _settings(
            request, NewBotForm(strategy, wallets=wallets, initial=_begun(request, wallets)), key
        )
    step = request.POST.get("step", "review")
    if step == "edit":
        return _settings(request, NewBotForm.retyped(strategy, request.POST, wallets=wallets), key)
    form = NewBotForm(strategy, request.POST, wallets=wallets)
    outlook = _judged(request, form, key)
    if outlook is None:
        return _settings(request, form, key, status=REFUSED)
    if step == "review":
        context = {
            "form": form,
            "key": key,
            "strategy": _named(key),
            "outlook": outlook,
            "sent": _sent(request),
        }
        return render(request, "bots/review.html", context)
    return _made(request, form, key, start=step == "start")


def choose(request: HttpRequest, form: DefinitionForm, status: int = 200) -> HttpResponse:
    context = {"strategies": [_named(key) for key in STRATEGIES], "form": form}
    return render(request, "bots/choose.html", context, status=status)


@private
@require_POST
def load(request: HttpRequest) -> HttpResponse:
    """The settings of a definition that was exported; nothing is stored by it."""
    form = DefinitionForm(request.POST, request.FILES)
    if not form.is_valid():
        return choose(request, form, status=REFUSED)
    key, (frame, inputs) = form.cleaned_data["file"]["strategy"], form.given()
    wallets = _wallets(request)
    first = {**_begun(request, wallets), **frame}
    return _settings(request, NewBotForm(_strategy(key), wallets=wallets, initial=first, given=inputs), key)


@private
@require_GET
def preview(request: HttpRequest, key: str) -> HttpResponse:
    """What the settings as they stand would do: a fragment, read again while somebody types."""
    form = NewBotForm(_strategy(key), request.GET, wallets=_wallets(request))
    outlook = _judged(request, form, key)
    return render(request, "bots/preview.html", {"form": form, "outlook": outlook})


def _judged(request: HttpRequest, form: NewBotForm, key: str) -> Outlook | None:
    """None: the form says what is wrong."""
    if not form.is_valid():
        return None
    try:
        now = int(timezone.now().timestamp() * 1000)
        return services.bot_preview(user=request.user, request=form.request(key), now=now)
    except BotInvalid as invalid:
        form.add_refusal(invalid.errors)
    return None


def _made(request: HttpRequest, form: NewBotForm, key: str, *, start: bool) -> HttpResponse:
    try:
        made = services.bot_create(user=request.user, request=form.request(key), http=request)
    except BotInvalid as invalid:
        form.add_refusal(invalid.errors)
        return _settings(request, form, key, status=REFUSED)
    except BotConflict as conflict:
        form.add_error(None, conflict.sentence)
        return _settings(request, form, key, status=REFUSED)
    return (
        _started(request, made)
        if start
        else done(request, made, f"{made.name} was made. It does not run yet.")
    )


def _started(request: HttpRequest, made: Bot) -> HttpResponse:
    try:
        services.bot_start(user=request.user, bot_id=made.pk, http=request)
    except BotConflict as conflict:
        return refused(request, made, conflict)
    return done(request, made, f"{made.name} was made, and is being started.")


def _settings(request: HttpRequest, form: NewBotForm, key: str, status: int = 200) -> HttpResponse:
    wallets = _wallets(request)
    shown = _shown(form, wallets)
    context: dict[str, Any] = {
        "form": form, "key": key, "strategy": _named(key), "wallets": wallets, "interval": INTERVAL,
        "intervals": list(INTERVALS), "row": board_row(shown) if shown else None,
        "symbols": instrument_list(venue=shown.venue_id if shown else ""),
    }  # fmt: skip
    return render(request, "bots/new.html", context, status=status)


def _shown(form: NewBotForm, wallets: list[Any]) -> Any:
    """The instrument on the chart: the one that was typed, else the first of the venue."""
    chosen = str(form["wallet"].value() or "")
    wallet = next((one for one in wallets if str(one.pk) == chosen), wallets[0] if wallets else None)
    if wallet is None:
        return None
    typed = str(form["symbol"].value() or "").strip()
    return instrument_get(wallet.venue_id, typed) or _busiest(wallet.venue_id)


def _begun(request: HttpRequest, wallets: list[Any]) -> dict[str, Any]:
    """First values: what the address asks for, else the first wallet and an instrument of its venue."""
    asked = {name: request.GET[name] for name in ("wallet", "symbol") if name in request.GET}
    first = _busiest(wallets[0].venue_id) if wallets else None
    return {"symbol": first.symbol if first else "", **asked}


def _busiest(venue: str) -> Any:
    """Where most is traded, perpetuals before spot; None: the venue has no instruments yet."""
    rows = board_get(venue=venue, kind="perp", limit=1).rows or board_get(venue=venue, limit=1).rows
    return rows[0].instrument if rows else None


def _wallets(request: HttpRequest) -> list[Any]:
    return [wallet for wallet in wallets_of(request.user) if wallet.status == "active"]


def _strategy(key: str) -> type[Strategy]:
    strategy = selectors.strategy_get(key)
    if strategy is None:
        raise Http404("There is no such strategy.")
    return strategy


def _named(key: str) -> dict[str, str]:
    """For templates, which would call a class."""
    strategy = _strategy(key)
    return {"key": key, "title": strategy.title, "summary": strategy.summary}


def _sent(request: HttpRequest) -> list[tuple[str, str]]:
    """What was typed, for a form that carries it on unseen."""
    mine = ("csrfmiddlewaretoken", "step")
    return [(name, str(value)) for name, value in request.POST.items() if name not in mine]
