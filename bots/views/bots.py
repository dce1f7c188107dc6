"""All bots on one page, one bot on its own, and a new one."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from bots import selectors, services
from bots.domain.errors import BotConflict, BotInvalid
from bots.domain.requests import BotRequest
from bots.forms import InputsForm, NewBotForm, StopForm
from bots.models import Bot
from bots.sdk import Strategy
from bots.strategies import STRATEGIES
from bots.views.base import own_bot, private
from wallets.selectors import source_fills, source_orders, wallets_of

TABS = {"orders": "Orders", "fills": "Fills", "events": "Events", "inputs": "Inputs"}
PAGE = 50


@private
@require_GET
def bots(request: HttpRequest) -> HttpResponse:
    """`?archived=1` shows those that were put away."""
    now, archived = timezone.now(), request.GET.get("archived") == "1"
    cards = selectors.cards_of(selectors.bots_of(request.user, archived=archived), now)
    return render(request, "bots/list.html", {"cards": cards, "now": now, "archived": archived})


@private
@require_GET
def card(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One card again, for a page whose bot has changed."""
    now = timezone.now()
    (shown,) = selectors.cards_of([own_bot(request, pk)], now)
    return render(request, "bots/card.html", {"card": shown, "now": now})


@private
@require_GET
def bot(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "bots/bot.html", bot_context(request, own_bot(request, pk)))


def bot_context(request: HttpRequest, found: Bot, form: InputsForm | None = None) -> dict[str, Any]:
    """`form` is one that was refused, to be shown again."""
    tab = "inputs" if form else request.GET.get("tab", "")
    tab = tab if tab in TABS else "orders"
    now = timezone.now()
    (shown,) = selectors.cards_of([found], now)
    context = {
        "bot": found, "card": shown, "now": now, "tab": tab, "tabs": TABS.items(), "stop_form": StopForm(),
    }  # fmt: skip
    return {**context, **_tab(request, found, tab, form)}


def _tab(request: HttpRequest, found: Bot, tab: str, form: InputsForm | None) -> dict[str, Any]:
    rows: Any
    match tab:
        case "orders":
            rows = source_orders(found.pk).select_related("wallet__venue")
        case "fills":
            rows = source_fills(found.pk).select_related("wallet")
        case "events":
            rows = selectors.events_of(found)
        case _:
            versions = list(selectors.inputs_of(found))
            strategy = selectors.strategy_get(found.strategy)
            if form is None and strategy is not None:
                form = InputsForm(strategy, given=versions[0].inputs)
            return {"versions": versions, "form": form}
    return {"page": Paginator(rows, PAGE).get_page(request.GET.get("page"))}


@private
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """First the strategy, then its form."""
    key = request.GET.get("strategy", "")
    if not key:
        return render(request, "bots/choose.html", {"strategies": STRATEGIES.items()})
    strategy = selectors.strategy_get(key)
    if strategy is None:
        raise Http404("There is no such strategy.")
    wallets = [wallet for wallet in wallets_of(request.user) if wallet.status == "active"]
    form = NewBotForm(strategy, request.POST or None, wallets=wallets)
    if request.method == "POST" and form.is_valid() and (made := _made(request, form, key)):
        return redirect("bots:bot", pk=made.pk)
    return render(request, "bots/new.html", {"form": form, "strategy": strategy, "wallets": wallets})


def _made(request: HttpRequest, form: NewBotForm, strategy: str) -> Bot | None:
    said = form.cleaned_data
    asked = BotRequest(
        client_id=said["client_id"], wallet_id=UUID(said["wallet"]), symbol=said["symbol"].strip(),
        strategy=strategy, budget=said["budget"], leverage=said["leverage"], name=said["name"],
        inputs=form.inputs(),
    )  # fmt: skip
    try:
        return services.bot_create(user=request.user, request=asked, http=request)
    except BotInvalid as invalid:
        form.add_refusal(invalid.errors)
    except BotConflict as conflict:
        form.add_error(None, conflict.sentence)
    return None


def strategy_of(found: Bot) -> type[Strategy]:
    strategy = selectors.strategy_get(found.strategy)
    if strategy is None:
        raise Http404("The strategy is not in this house any more.")
    return strategy
