"""Wallets, orders and books as their owner (or support) may read them. What is not yours is not found."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from accounts.domain.rules import Act
from accounts.selectors import user_may
from market.selectors import price_decimals
from wallets.domain.accounts import Account
from wallets.domain.errors import NotFound
from wallets.domain.position import unrealised
from wallets.domain.status import LIVE, TradingState
from wallets.models import Balance, Fill, LedgerEntry, LedgerTransfer, Order, Position, Wallet
from wallets.selectors.market import Prices, prices_of
from wallets.selectors.situation import trading_state, wallets_with_states

ZERO = Decimal(0)
NO_WALLET, NO_ORDER = "There is no such wallet.", "There is no such order."


# --- wallets -------------------------------------------------------------------------------------------
def wallets_of(user: Any) -> QuerySet[Wallet]:
    """The user's own, archived ones too, newest first; each knows the states of its house and user."""
    return wallets_with_states().filter(user=user).select_related("venue").order_by("-created_at")


def wallet_get(*, user: Any, wallet_id: UUID) -> Wallet:
    """Raises `NotFound` unless the rules let this user read it."""
    found = wallets_with_states().filter(pk=wallet_id).select_related("venue").first()
    if found is None or not user_may(user=user, act=Act.READ, kind="wallet", owner=found.user_id):
        raise NotFound(NO_WALLET)
    wallet: Wallet = found
    return wallet


def trading_state_of(wallet: Wallet) -> TradingState:
    """The strictest of wallet, user and house; of a wallet that these selectors gave."""
    return trading_state(wallet)


# --- what it holds -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Held:
    """One asset in one pot."""

    pot: str
    asset: str
    available: Decimal
    reserved: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.reserved


def balances_of(wallet: Wallet) -> list[Held]:
    """What is not nothing, by pot and asset."""
    owned = Balance.objects.filter(wallet=wallet, account__in=(Account.AVAILABLE, Account.RESERVED))
    amounts: dict[tuple[str, str], dict[str, Decimal]] = {}
    for row in owned.exclude(amount=0).order_by("pot", "asset"):
        amounts.setdefault((row.pot, row.asset), {})[row.account] = row.amount
    return [
        Held(pot, asset, of.get(Account.AVAILABLE, ZERO), of.get(Account.RESERVED, ZERO))
        for (pot, asset), of in amounts.items()
    ]


@dataclass(frozen=True, slots=True)
class Holding:
    """An open position at the mark; `mark` is None while no price is known."""

    position: Position
    mark: Decimal | None

    @property
    def decimals(self) -> int:
        return price_decimals(self.position.instrument, self.mark or self.position.entry_price)

    @property
    def entry_price(self) -> Decimal:
        """Rounded to what prices of this instrument are written with."""
        step = Decimal(1).scaleb(-self.position.instrument.price_decimals)
        return (self.position.cost / self.position.size).quantize(step, rounding=ROUND_HALF_EVEN)

    @property
    def unrealised(self) -> Decimal | None:
        if self.mark is None:
            return None
        return unrealised(self.position.size, self.position.cost, self.mark)


def positions_of(wallet: Wallet) -> list[Holding]:
    return _holdings(Position.objects.filter(wallet=wallet))


def holdings_of(user: Any) -> list[Holding]:
    """Of all wallets of the user."""
    return _holdings(Position.objects.filter(wallet__user=user))


def _holdings(positions: QuerySet[Position]) -> list[Holding]:
    open_ones = positions.exclude(size=0).select_related("instrument", "wallet", "wallet__venue")
    prices: dict[str, Prices] = {}
    holdings = []
    for position in open_ones.order_by("instrument__symbol", "wallet"):
        venue = position.instrument.venue_id
        if venue not in prices:
            prices[venue] = prices_of(venue)
        holdings.append(Holding(position, prices[venue].mark(position.instrument.symbol)))
    return holdings


# --- what happened -------------------------------------------------------------------------------------
def orders_of(
    *, user: Any, wallet: UUID | None = None, symbol: str = "", status: str = "", live: bool | None = None
) -> QuerySet[Order]:
    """The user's own; those of one wallet for whoever may read it. Raises `NotFound`."""
    rows = Order.objects.select_related("instrument", "wallet", "wallet__venue").order_by("-created_at")
    rows = rows.filter(**_whose(user, wallet))
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    if status:
        rows = rows.filter(status=status)
    if live is not None:
        rows = rows.filter(status__in=LIVE) if live else rows.exclude(status__in=LIVE)
    return rows


def order_get(*, user: Any, order_id: UUID) -> Order:
    """Raises `NotFound` unless the rules let this user read it."""
    related = ("instrument", "wallet", "wallet__venue", "submission", "cancel_submission")
    found = Order.objects.select_related(*related).filter(pk=order_id).first()
    if found is None or not user_may(user=user, act=Act.READ, kind="order", owner=found.wallet.user_id):
        raise NotFound(NO_ORDER)
    return found


def fills_of(*, user: Any, wallet: UUID | None = None, symbol: str = "") -> QuerySet[Fill]:
    """Newest first, as `orders_of`."""
    rows = Fill.objects.select_related("instrument", "wallet", "wallet__venue", "order")
    rows = rows.filter(**_whose(user, wallet)).order_by("-time", "-pk")
    return rows.filter(instrument__symbol=symbol) if symbol else rows


def _whose(user: Any, wallet: UUID | None) -> dict[str, Any]:
    if wallet is None:
        return {"wallet__user": user}
    return {"wallet": wallet_get(user=user, wallet_id=wallet)}


def entries_of(wallet: Wallet) -> QuerySet[LedgerEntry]:
    """Entry by entry, newest first."""
    return LedgerEntry.objects.filter(wallet=wallet).select_related("transfer").order_by("-pk")


def transfers_of(wallet: Wallet) -> QuerySet[LedgerTransfer]:
    """Event by event, newest first, each with its entries."""
    return _with_entries(LedgerTransfer.objects.filter(wallet=wallet)).order_by("-pk")


def _with_entries(transfers: QuerySet[LedgerTransfer]) -> QuerySet[LedgerTransfer]:
    return transfers.prefetch_related(Prefetch("entries", LedgerEntry.objects.order_by("pk")))
