"""Pages of the bot list and of one bot, with the fragments that the pages reload."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from accounts.authentication import SignedInHttpRequest
from bots import selectors
from bots.domain.lifecycle import Status
from bots.forms import BotsForm, InputsForm
from bots.models import Bot, BotJournalEntry
from bots.selectors import BotCard
from bots.strategies import STRATEGIES
from bots.views.base import NO_SUCH, own_bot, private
from market.domain.events import INTERVALS
from market.selectors import candles_before, market_row, price_decimals
from wallets.selectors import source_fills, source_orders, wallet_get, wallets_of

TABS = {"events": _("Events"), "orders": _("Orders"), "fills": _("Fills"), "inputs": _("Inputs")}
SORTS = {
    "-created": _("Newest first"), "name": _("Name"), "-profit": _("Highest PnL first"),
    "profit": _("Lowest PnL first"), "state": _("Needs attention first"), "-fills": _("Most fills first"),
    "-budget": _("Largest budget first"),
}  # fmt: skip
KINDS = {"": _("Important"), "all": _("All"), **dict(BotJournalEntry.Kind.choices)}
STATES = {
    "": _("All"), Status.RUNNING: _("Running"), Status.IDLE: _("Idle"), Status.STOPPED: _("Stopped"),
    "needs": _("Needs attention"),
}  # fmt: skip
EXPORTS = {
    "definition": _("Definition and inputs (JSON)"), "orders": _("Orders (CSV)"), "fills": _("Fills (CSV)"),
    "journal": _("Journal (JSON lines)"),
}  # fmt: skip
PAGE = 50
CARDS = 24
INTERVAL = "15m"
CHART_TABLE_ROWS = 20


# --- the list --------------------------------------------------------------------------------------------
@private
@require_GET
def bots(request: SignedInHttpRequest) -> HttpResponse:
    context = {
        **list_context(request), "sorts": SORTS.items(), "wallets": list(wallets_of(request.user)),
        "strategies": [(key, one.title) for key, one in STRATEGIES.items()],
    }  # fmt: skip
    return render(request, "bots/list.html", context)


@private
@require_GET
def cards(request: SignedInHttpRequest) -> HttpResponse:
    """The cards of the list: a fragment that the page reloads."""
    return render(request, "bots/cards.html", list_context(request))


def list_context(request: SignedInHttpRequest) -> dict[str, Any]:
    """Template context of the bot list."""
    filters, now = BotsForm(request.GET).filters(), timezone.now()
    listed = selectors.bots_listed(request.user, filters, now)
    page = Paginator(listed.cards, CARDS).get_page(request.GET.get("page"))
    return {
        "wish": filters,  # vocabulary: name of the variable in the templates
        "now": now, "page": page, "cards": page.object_list,
        "sparks": selectors.sparks_of(page.object_list), "counts": listed.counts,
        "states": [(state, word, listed.counts[state]) for state, word in STATES.items()],
        "totals": _totals(listed.cards), "late": sum(card.is_stale for card in listed.cards),
        "resting": sum(card.live for card in listed.cards),
    }  # fmt: skip


def _totals(cards: list[BotCard]) -> list[dict[str, Any]]:
    """PnL by venue and quote currency: other amounts cannot be added. None: a price is missing."""
    groups: dict[tuple[bool, str, str], list[BotCard]] = {}
    for card in cards:
        venue = card.bot.wallet.venue
        groups.setdefault((venue.simulated, venue.name, card.bot.instrument.quote), []).append(card)
    return [_total(quote, group) for (_simulated, _name, quote), group in sorted(groups.items())]


def _total(quote: str, cards: list[BotCard]) -> dict[str, Any]:
    profits = [card.pnl for card in cards]
    known = [profit for profit in profits if profit is not None]
    return {
        "venue": cards[0].bot.wallet.venue, "quote": quote, "bots": len(cards), "cards": cards,
        "flat_pnl": sum((card.flat_pnl for card in cards), Decimal(0)),
        "profit": sum(known, Decimal(0)) if len(known) == len(profits) else None,
    }  # fmt: skip


# --- one bot ---------------------------------------------------------------------------------------------
@private
@require_GET
def bot(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "bots/bot.html", bot_context(request, own_bot(request, pk)))


@private
@require_GET
def summary(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """Status, figures and chart overlay: a fragment that the page reloads."""
    return render(request, "bots/summary.html", {**summary_context(own_bot(request, pk)), "again": True})


@private
@require_GET
def history(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    return render(request, "bots/history.html", history_context(request, own_bot(request, pk)))


@private
@require_GET
def equity(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    found = own_bot(request, pk)
    return render(request, "bots/equity.html", {"bot": found, **equity_context(found)})


def bot_context(request: SignedInHttpRequest, found: Bot, form: InputsForm | None = None) -> dict[str, Any]:
    """Template context of a bot page. `form` is a rejected inputs form to show again."""
    interval = request.GET.get("interval", "")
    interval = interval if interval in INTERVALS else INTERVAL
    return {
        **summary_context(found), **history_context(request, found, form), **equity_context(found),
        "row": market_row(found.instrument), "interval": interval, "intervals": list(INTERVALS),
        "candles": candles_before(found.instrument, interval, limit=CHART_TABLE_ROWS),
    }  # fmt: skip


def summary_context(found: Bot) -> dict[str, Any]:
    """Template context of the bot's summary."""
    now = timezone.now()
    (card,) = selectors.cards_of([found], now)
    buying_power = card.book.position.buying_power(selectors.bot_terms(found))
    return {
        "bot": found, "card": card, "now": now, "run": selectors.run_last(found), "power": buying_power,
        "at_work": None if card.mark is None else abs(card.size) * card.mark,
        "drawing": selectors.chart_overlay(found), "exports": EXPORTS.items(),
        "row_decimals": price_decimals(found.instrument, card.mark),
    }  # fmt: skip


def equity_context(found: Bot) -> dict[str, Any]:
    """Template context of the equity curve."""
    now = timezone.now()
    (card,) = selectors.cards_of([found], now)
    return {"card": card, "points": selectors.equity_of(found, card.mark, int(now.timestamp() * 1000))}


def history_context(
    request: SignedInHttpRequest, found: Bot, form: InputsForm | None = None
) -> dict[str, Any]:
    """Template context of the tab with events, orders, fills or inputs."""
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


def _events(request: SignedInHttpRequest, found: Bot) -> dict[str, Any]:
    """A page of the journal, paginated by primary key: the journal may be too long to count."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else ""
    rows = (
        selectors.events_of(found, "" if kind == "all" else kind) if kind else selectors.visible_events(found)
    )
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    else:
        before = ""
    rows_and_next = list(rows[: PAGE + 1])
    return {
        "kind": kind, "kinds": KINDS.items(), "before": before, "events": rows_and_next[:PAGE],
        "older": rows_and_next[PAGE - 1].pk if len(rows_and_next) > PAGE else None,
    }  # fmt: skip


def _inputs_form(found: Bot) -> InputsForm | None:
    """The inputs form with the newest values; None when the strategy is no longer available."""
    strategy = selectors.strategy_get(found.strategy)
    newest = selectors.inputs_of(found)[0]
    return InputsForm(strategy, given=newest.inputs) if strategy else None


@private
@require_GET
def attribution(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    wallet = wallet_get(request.user, pk)
    if wallet is None or wallet.user_id != request.user.pk:
        raise Http404(NO_SUCH)
    splits = selectors.attribution_of(wallet)
    return render(request, "bots/attribution.html", {"wallet": wallet, "splits": splits})
