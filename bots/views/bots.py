"""All bots on one page, and one bot on its own. What is live on them reads itself again, part by part."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from bots import selectors
from bots.domain.lifecycle import Status
from bots.forms import BotsForm, InputsForm
from bots.models import Bot, BotEvent
from bots.selectors import BotCard
from bots.strategies import STRATEGIES
from bots.views.base import own_bot, private
from market.domain.events import INTERVALS
from market.selectors import board_row, candles_before, price_decimals
from wallets.selectors import source_fills, source_orders, wallets_of

TABS = {"events": "Events", "orders": "Orders", "fills": "Fills", "inputs": "Inputs"}
SORTS = {
    "-created": "Newest first", "name": "By name", "-profit": "Most profit first", "profit": "Least profit first",
    "state": "What needs you first", "-fills": "Most fills first", "-budget": "Largest budget first",
}  # fmt: skip
KINDS = {"": "What mattered", "all": "All", **dict(BotEvent.Kind.choices)}
STATES = {
    "": "All", Status.RUNNING: "Running", Status.IDLE: "Idle", Status.STOPPED: "Stopped", "needs": "Needs you",
}  # fmt: skip
EXPORTS = {
    "definition": "Definition and inputs, JSON", "orders": "Orders, CSV", "fills": "Fills, CSV",
    "journal": "Journal, JSON lines",
}  # fmt: skip
PAGE = 50
CARDS = 24
INTERVAL = "15m"
CHART_TABLE_ROWS = 20


# --- the list --------------------------------------------------------------------------------------------
@private
@require_GET
def bots(request: HttpRequest) -> HttpResponse:
    context = {
        **list_context(request), "sorts": SORTS.items(), "wallets": list(wallets_of(request.user)),
        "strategies": [(key, one.title) for key, one in STRATEGIES.items()],
    }  # fmt: skip
    return render(request, "bots/list.html", context)


@private
@require_GET
def cards(request: HttpRequest) -> HttpResponse:
    """What is live on the list, for the page that shows it."""
    return render(request, "bots/cards.html", list_context(request))


def list_context(request: HttpRequest) -> dict[str, Any]:
    wish, now = BotsForm(request.GET).asked(), timezone.now()
    listed = selectors.bots_listed(request.user, wish, now)
    page = Paginator(listed.cards, CARDS).get_page(request.GET.get("page"))
    return {
        "wish": wish, "now": now, "page": page, "cards": page.object_list,
        "sparks": selectors.sparks_of(page.object_list), "counts": listed.counts,
        "states": [(state, word, listed.counts[state]) for state, word in STATES.items()],
        "totals": _totals(listed.cards), "late": sum(card.late for card in listed.cards),
        "resting": sum(card.live for card in listed.cards),
    }  # fmt: skip


def _totals(cards: list[BotCard]) -> list[dict[str, Any]]:
    """Profit by what is real and by currency: what cannot be added is not. None: some price is missing."""
    sums: dict[tuple[bool, str], list[Decimal | None]] = {}
    for card in cards:
        key = card.bot.wallet.venue.simulated, card.bot.instrument.quote
        sums.setdefault(key, []).append(card.profit)
    return [
        {
            "simulated": simulated, "quote": quote, "bots": len(profits),
            "profit": None if None in profits else sum((one for one in profits if one), Decimal(0)),
        }
        for (simulated, quote), profits in sorted(sums.items())
    ]  # fmt: skip


# --- one bot ---------------------------------------------------------------------------------------------
@private
@require_GET
def bot(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "bots/bot.html", bot_context(request, own_bot(request, pk)))


@private
@require_GET
def live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """State, figures and what the chart shows, again."""
    return render(request, "bots/summary.html", {**live_context(own_bot(request, pk)), "again": True})


@private
@require_GET
def records(request: HttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "bots/history.html", records_context(request, own_bot(request, pk)))


@private
@require_GET
def equity(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = own_bot(request, pk)
    return render(request, "bots/equity.html", {"bot": found, **equity_context(found)})


def bot_context(request: HttpRequest, found: Bot, form: InputsForm | None = None) -> dict[str, Any]:
    """`form` is one that was refused, to be shown again."""
    interval = request.GET.get("interval", "")
    interval = interval if interval in INTERVALS else INTERVAL
    return {
        **live_context(found), **records_context(request, found, form), **equity_context(found),
        "row": board_row(found.instrument), "interval": interval, "intervals": list(INTERVALS),
        "candles": candles_before(found.instrument, interval, limit=CHART_TABLE_ROWS),
    }  # fmt: skip


def live_context(found: Bot) -> dict[str, Any]:
    now = timezone.now()
    (card,) = selectors.cards_of([found], now)
    power = card.book.position.power(selectors.bot_terms(found))
    return {
        "bot": found, "card": card, "now": now, "run": selectors.run_last(found), "power": power,
        "at_work": None if card.mark is None else abs(card.size) * card.mark,
        "drawing": selectors.drawing_of(found), "exports": EXPORTS.items(),
        "row_decimals": price_decimals(found.instrument, card.mark),
    }  # fmt: skip


def equity_context(found: Bot) -> dict[str, Any]:
    now = timezone.now()
    (card,) = selectors.cards_of([found], now)
    return {"points": selectors.equity_of(found, card.mark, int(now.timestamp() * 1000))}


def records_context(request: HttpRequest, found: Bot, form: InputsForm | None = None) -> dict[str, Any]:
    tab = "inputs" if form else request.GET.get("tab", "")
    tab = tab if tab in TABS else "events"
    context: dict[str, Any] = {"bot": found, "tab": tab, "tabs": TABS.items()}
    match tab:
        case "events":
            return context | _events(request, found)
        case "orders":
            rows = source_orders(found.pk).select_related("wallet__venue", "instrument")
            return context | {"page": Paginator(rows, PAGE).get_page(request.GET.get("page"))}
        case "fills":
            fills = source_fills(found.pk).select_related("wallet", "instrument", "order")
            return context | {"page": Paginator(fills, PAGE).get_page(request.GET.get("page"))}
    return context | {"versions": selectors.versions_of(found), "form": form or _inputs_form(found)}


def _events(request: HttpRequest, found: Bot) -> dict[str, Any]:
    """A page of the journal by key: it may be long, so nobody counts it."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    rows = selectors.events_of(found, "" if kind == "all" else kind) if kind else selectors.events_told(found)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    else:
        before = ""
    some = list(rows[: PAGE + 1])
    return {
        "kind": kind, "kinds": KINDS.items(), "before": before, "events": some[:PAGE],
        "older": some[PAGE - 1].pk if len(some) > PAGE else None,
    }  # fmt: skip


def _inputs_form(found: Bot) -> InputsForm | None:
    """None when the strategy is not in this house any more."""
    strategy = selectors.strategy_get(found.strategy)
    newest = selectors.inputs_of(found)[0]
    return InputsForm(strategy, given=newest.inputs) if strategy else None
