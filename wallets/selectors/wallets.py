"""Wallets, balances, positions and ledger rows that a user may read. Every query is restricted to an owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from accounts.domain.permissions import Action
from accounts.selectors import user_is_allowed
from market.selectors import price_decimals
from wallets.domain import position as positions
from wallets.domain.ledger import LedgerAccount
from wallets.domain.position import unrealised_pnl
from wallets.models import Balance, LedgerEntry, LedgerTransaction, Position, Wallet
from wallets.selectors.prices import Prices, prices_of
from wallets.selectors.risk_context import wallets_with_states

if TYPE_CHECKING:
    from accounts.models import User

if TYPE_CHECKING:
    from accounts.models import User
    from wallets.selectors.risk_context import WalletWithStates

ZERO = Decimal(0)


# --- wallets ------------------------------------------------------------------------------------------
def _readable(user: "User", kind: str, path: str) -> Q:
    """Filter of readable rows: all rows for users who may read those of every owner, else the user's own."""
    if user_is_allowed(user=user, act=Action.READ, kind=kind, owner=None):
        return Q()
    return Q(**{path: user.pk})


def wallets_of(user: "User") -> "QuerySet[WalletWithStates]":
    """The user's own wallets, archived ones last, else by creation; annotated for `trading_state`."""
    wallets = wallets_with_states().filter(user=user).select_related("venue")
    archived = ExpressionWrapper(Q(status=Wallet.Status.ARCHIVED), BooleanField())
    return wallets.order_by(archived, "created_at")


def wallet_get(user: "User", wallet_id: UUID) -> "WalletWithStates | None":
    """The wallet, when the user may read it; annotated for `trading_state`."""
    readable = _readable(user, "wallet", "user")
    return wallets_with_states().filter(readable, pk=wallet_id).select_related("venue").first()


def wallet_location(wallet_id: UUID) -> tuple[UUID, str] | None:
    """The ids of the wallet's owner and venue."""
    return Wallet.objects.filter(pk=wallet_id).values_list("user_id", "venue_id").first()


# --- account data -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class BalanceRow:
    """The balance of one asset in one account type."""

    account_type: str
    asset: str
    available: Decimal
    reserved: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.reserved


def balances_of(wallet: Wallet) -> list[BalanceRow]:
    """The trader's balances by account type and asset, without zero balances."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = {}
    owned = (LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)
    for row in Balance.objects.filter(wallet=wallet, account__in=owned).order_by("account_type", "asset"):
        sums.setdefault((row.account_type, row.asset), {})[row.account] = row.amount
    rows = [
        BalanceRow(
            account_type,
            asset,
            amounts.get(LedgerAccount.AVAILABLE, ZERO),
            amounts.get(LedgerAccount.RESERVED, ZERO),
        )
        for (account_type, asset), amounts in sums.items()
    ]
    return [row for row in rows if row.available or row.reserved]


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """A position at a mark price; derived values are None without one."""

    row: Position
    mark: Decimal | None

    @property
    def notional(self) -> Decimal | None:
        return None if self.mark is None else abs(self.row.size) * self.mark

    @property
    def unrealised_pnl(self) -> Decimal | None:
        return (
            None if self.mark is None else positions.unrealised_pnl(self.row.size, self.row.cost, self.mark)
        )


def positions_of(wallet: Wallet, marks: Mapping[str, Decimal | None]) -> list[OpenPosition]:
    """Open positions by symbol; `marks` is by symbol."""
    rows = Position.objects.filter(wallet=wallet).exclude(size=0).select_related("instrument")
    return [
        OpenPosition(row, marks.get(row.instrument.symbol)) for row in rows.order_by("instrument__symbol")
    ]


def ledger_entries_page(user: "User", wallet_id: UUID) -> QuerySet[LedgerEntry]:
    """Ledger entries of a wallet that the user may read, newest first, with their transactions."""
    rows = LedgerEntry.objects.filter(_readable(user, "wallet", "wallet__user"), wallet=wallet_id)
    return rows.select_related("transaction").order_by("-pk")


def ledger_transactions_page(user: "User", wallet_id: UUID) -> QuerySet[LedgerTransaction]:
    """Ledger transactions of a wallet that the user may read, newest first, with their entries."""
    rows = LedgerTransaction.objects.filter(_readable(user, "wallet", "wallet__user"), wallet=wallet_id)
    return rows.prefetch_related("entries").order_by("-pk")


@dataclass(frozen=True, slots=True)
class PositionRow:
    """An open position; `mark` is None while no price is known."""

    position: Position
    mark: Decimal | None

    @property
    def decimals(self) -> int:
        return price_decimals(self.position.instrument, self.mark or self.entry_price)

    @property
    def entry_price(self) -> Decimal:
        """The entry price, rounded to the price decimals of the instrument."""
        step = Decimal(1).scaleb(-self.position.instrument.price_decimals)
        return (self.position.cost / self.position.size).quantize(step, rounding=ROUND_HALF_EVEN)

    @property
    def unrealised(self) -> Decimal | None:
        if self.mark is None:
            return None
        return unrealised_pnl(self.position.size, self.position.cost, self.mark)


def position_rows(user: "User", *, wallet_id: UUID | None = None) -> list[PositionRow]:
    """The user's own open positions by symbol; of one wallet or of all."""
    rows = Position.objects.filter(wallet__user=user).exclude(size=0)
    if wallet_id is not None:
        rows = rows.filter(wallet=wallet_id)
    prices: dict[str, Prices] = {}
    positions = []
    for position in rows.select_related("instrument", "wallet").order_by("instrument__symbol", "wallet"):
        venue = position.instrument.venue_id
        if venue not in prices:
            prices[venue] = prices_of(venue)
        positions.append(PositionRow(position, prices[venue].mark(position.instrument.symbol)))
    return positions
