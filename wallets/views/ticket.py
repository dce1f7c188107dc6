"""Order ticket of the trading page: the form, its preview, and the result of placing the order."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import trigger_client_event

from accounts.authentication import SignedInHttpRequest, is_signed_in
from market.domain.instruments import Instrument
from market.domain.orders import account_type_of
from market.selectors import MarketRow, instrument_rules, market_row
from wallets import selectors, services
from wallets.domain.errors import OrderConflict, OrderDenied, OrderError, OrderInvalid
from wallets.domain.order_text import describe_order
from wallets.domain.risk_context import RiskContext, available_balance
from wallets.domain.sizing import max_order_size
from wallets.domain.status import TradingState
from wallets.forms import LeverageForm, TicketForm, figure_or_none
from wallets.models import Order, Wallet
from wallets.selectors.wallets import PositionRow
from wallets.views.base import (
    changed,
    first_error,
    instrument_or_404,
    own_order,
    own_wallet,
    private,
    refused,
    uuid_of,
)

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

PREFILLED = ("wallet", "side", "kind", "price", "trigger_price", "size", "slippage")
CHECKED = ("with_limit", "post_only", "reduce_only")
STICKY_FIELDS = (*PREFILLED[:5], "slippage", *CHECKED)  # kept after an order: all but the size
# Fields of an order request that have another name in the ticket.
FIELDS = {"slippage_percent": "slippage", "tif": "post_only"}


@dataclass(frozen=True)
class TicketAccount:
    """The wallet of a ticket, with the risk context of an order placed now."""

    wallet: Wallet
    instrument: Instrument
    now: RiskContext
    positions: list[PositionRow]

    @property
    def works(self) -> bool:
        return self.wallet.status == Wallet.Status.ACTIVE and self.now.state is not TradingState.HALTED

    @property
    def spot(self) -> bool:
        return self.instrument.kind == "spot"

    @property
    def free(self) -> Decimal:
        """Available amount of the quote asset."""
        return available_balance(
            self.now, account_type_of(self.now.margin_model, self.instrument.kind), self.instrument.quote
        )

    @property
    def margin_positions(self) -> list[PositionRow]:
        """The positions of a perpetual's account: their PnL and margin change the available amount."""
        return (
            [] if account_type_of(self.now.margin_model, self.instrument.kind) == "spot" else self.positions
        )

    @property
    def free_cash(self) -> Decimal:
        """The part of `free` that prices do not change."""
        account_type = account_type_of(self.now.margin_model, self.instrument.kind)
        return self.now.available.get((account_type, self.instrument.quote), Decimal(0))

    @property
    def equity(self) -> Decimal:
        exposures = (self.now.exposure, *self.now.other_exposures)
        return self.now.cash + sum((one.pnl for one in exposures if one.size), Decimal(0))

    @property
    def coins(self) -> Decimal:
        return available_balance(
            self.now, account_type_of(self.now.margin_model, "spot"), self.instrument.base
        )


@never_cache
@require_safe
def ticket(request: HttpRequest, venue: str, symbol: str) -> HttpResponse:
    """The ticket, prefilled from the query, so that a change of the wallet keeps the input."""
    row = instrument_or_404(venue, symbol)
    if not is_signed_in(request):
        return render(request, "orders/ticket_closed.html", {"row": row})
    initial: dict[str, Any] = {name: request.GET[name] for name in PREFILLED if request.GET.get(name)}
    initial |= dict.fromkeys((name for name in CHECKED if request.GET.get(name)), True)
    return _render(
        request, row, TicketForm.fresh(**{"price": _mid_price(row, str(initial.get("side", ""))), **initial})
    )


def _mid_price(row: MarketRow, side: str) -> str:
    bid, ask = row.number("bid"), row.number("ask")
    if bid is None or ask is None:
        return ""
    rounding = ROUND_CEILING if side == "sell" else ROUND_FLOOR  # beside the mid: it crosses no book
    return format(((bid + ask) / 2).quantize(Decimal(1).scaleb(-row.decimals), rounding=rounding), "f")


@private
@require_POST
def place(request: SignedInHttpRequest, venue: str, symbol: str) -> HttpResponse:
    row = instrument_or_404(venue, symbol)
    form = TicketForm(request.POST, mark=row.number("mark"))
    if not form.is_valid():
        return _render(request, row, form, status=422)
    try:
        order = services.order_place(
            user=request.user,
            wallet_id=form.cleaned_data["wallet"],
            request=form.request(venue=venue, symbol=symbol),
            origin=Order.Origin.PAGE,
            http=request,
        )
    except OrderInvalid as error:
        field = FIELDS.get(error.field, error.field)
        form.add_error(field if field in form.fields else None, error.message)
        return _render(request, row, form, status=422)
    except (OrderDenied, OrderConflict) as error:
        # The client id is used: an order was stored under it, possibly a denied one.
        return _render(request, row, form, status=422, refusal=error, client_id=uuid4())
    return _placed(request, row, form, order)


def _placed(request: SignedInHttpRequest, row: MarketRow, form: TicketForm, order: Order) -> HttpResponse:
    if not request.htmx:
        return redirect("orders:order", order.pk)
    sticky = {name: form.data[name] for name in STICKY_FIELDS if form.data.get(name)}
    response = _render(request, row, TicketForm.fresh(**sticky), order=order)
    return trigger_client_event(trigger_client_event(response, "me:order"), "me:balance")


@private
@require_GET
def notice(request: SignedInHttpRequest, pk: UUID) -> HttpResponse:
    """The notice of a placed order with its present status: a fragment that reloads with the order."""
    order = own_order(request, pk)
    return render(request, "orders/placed.html", {"order": order, "row": market_row(order.instrument)})


def _render(
    request: SignedInHttpRequest, row: MarketRow, form: TicketForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    own = [
        wallet for wallet in selectors.wallets_of(request.user)
        if wallet.venue_id == row.venue.name and wallet.status not in (Wallet.Status.ARCHIVED, Wallet.Status.REJECTED)
    ]  # fmt: skip
    if not own:
        return render(request, "orders/ticket_closed.html", {"row": row, "signed_in": True}, status=status)
    selected = str(form["wallet"].value() or "")
    wallet = next((wallet for wallet in own if str(wallet.pk) == selected), None) or _default_wallet(own)
    context = {
        "row": row,
        "form": form,
        "client_id": form["client_id"].value(),
        "wallets": own,
        "account": account_of(wallet, row),
        **more,
    }
    return render(request, "orders/ticket.html", context, status=status)


def _default_wallet(wallets: "list[WalletWithStates]") -> "WalletWithStates":
    return min(wallets, key=lambda wallet: wallet.status != Wallet.Status.ACTIVE)


def account_of(wallet: "WalletWithStates", row: MarketRow) -> TicketAccount:
    instrument = instrument_rules(row.instrument)
    prices = selectors.prices_of(row.venue.name)
    now = selectors.risk_context_of(wallet, instrument, prices, timezone.now())
    return TicketAccount(wallet, instrument, now, selectors.position_rows(wallet.user, wallet_id=wallet.pk))


# --- while the user types -----------------------------------------------------------------------------
@private
@require_GET
def preview(request: SignedInHttpRequest, venue: str, symbol: str) -> HttpResponse:
    """Result of the same risk check as for an order; nothing is written."""
    row = instrument_or_404(venue, symbol)
    form = TicketForm(request.GET, mark=row.number("mark"))
    context: dict[str, Any] = {"row": row, "form": form}
    if form.is_valid():
        order_request = form.request(venue=venue, symbol=symbol)
        context["act"] = describe_order(order_request, row.instrument.base, row.decimals)
        try:
            context["preview"] = services.order_preview(
                user=request.user, wallet_id=form.cleaned_data["wallet"], request=order_request
            )
        except OrderInvalid as error:
            context["hint"] = error.message
    else:
        context["hint"] = first_error(form)
    return render(request, "orders/preview.html", context)


@private
@require_GET
def size_share(request: SignedInHttpRequest, venue: str, symbol: str) -> HttpResponse:
    """The size field, filled with a percentage of the maximum order size."""
    row = instrument_or_404(venue, symbol)
    wallet = own_wallet(request, uuid_of(request.GET.get("wallet")))
    percent = figure_or_none(request.GET.get("share", "")) or Decimal(0)
    side = request.GET.get("side", "")
    price = figure_or_none(request.GET.get("price", ""), mark=row.number("mark"))
    account = account_of(wallet, row)
    max_size = max_order_size(
        account.instrument,
        account.now,
        side="sell" if side == "sell" else "buy",
        price=price or row.number("mark"),
        reduce_only=bool(request.GET.get("reduce_only")),
    )
    size = instrument_rules(row.instrument).rules.round_size(max_size * min(percent, Decimal(100)) / 100)
    response = render(request, "orders/size.html", {"size": format(size, "f"), "row": row})
    return trigger_client_event(response, "ticket:changed")


@private
@require_POST
def leverage(request: SignedInHttpRequest, venue: str, symbol: str) -> HttpResponse:
    form = LeverageForm(request.POST)
    back = reverse("market:instrument", args=(venue, symbol))
    if not form.is_valid():
        return refused(request, OrderInvalid("leverage", first_error(form)), to=back)
    try:
        services.leverage_set(
            user=request.user,
            wallet_id=uuid_of(request.POST.get("wallet")),
            symbol=symbol,
            leverage=form.cleaned_data["leverage"],
            http=request,
        )
    except OrderError as error:
        return refused(request, error, to=back)
    return changed(request, "position", to=back)
