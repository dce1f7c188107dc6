"""Wallets, balances, positions and ledger rows that a user may read. Every query begins with an owner."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from accounts.domain.permissions import Act
from accounts.selectors import user_may
from wallets.domain import position as positions
from wallets.domain.ledger import Account
from wallets.models import Balance, LedgerEntry, LedgerTransfer, Position, Wallet
from wallets.selectors.risk_context import wallets_with_states

ZERO = Decimal(0)


# --- whose --------------------------------------------------------------------------------------------
def _mine(user: Any, kind: str, path: str) -> Q:
    """Everything for those who may read what is nobody's in particular; else what `user` owns."""
    if user_may(user=user, act=Act.READ, kind=kind, owner=None):
        return Q()
    return Q(**{path: user.pk})


def wallets_of(user: Any) -> QuerySet[Wallet]:
    """The user's own, archived ones last, else as they were added; each knows its `trading_state`."""
    mine = wallets_with_states().filter(user=user).select_related("venue")
    archived = ExpressionWrapper(Q(status=Wallet.Status.ARCHIVED), BooleanField())
    return mine.order_by(archived, "created_at")


def wallet_get(user: Any, wallet_id: UUID) -> Wallet | None:
    """The wallet, when the user may read it; it knows its `trading_state`."""
    mine = _mine(user, "wallet", "user")
    return wallets_with_states().filter(mine, pk=wallet_id).select_related("venue").first()


def wallet_whereabouts(wallet_id: UUID) -> tuple[UUID, str] | None:
    """Whose it is, and its venue."""
    return Wallet.objects.filter(pk=wallet_id).values_list("user_id", "venue_id").first()


# --- what it holds ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Money:
    """One asset in one pot."""

    pot: str
    asset: str
    available: Decimal
    reserved: Decimal

    @property
    def total(self) -> Decimal:
        return self.available + self.reserved


def balances_of(wallet: Wallet) -> list[Money]:
    """What belongs to the trader, by pot and asset; what is all zero is left out."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = {}
    owned = (Account.AVAILABLE, Account.RESERVED)
    for row in Balance.objects.filter(wallet=wallet, account__in=owned).order_by("pot", "asset"):
        sums.setdefault((row.pot, row.asset), {})[row.account] = row.amount
    rows = [
        Money(pot, asset, held.get(Account.AVAILABLE, ZERO), held.get(Account.RESERVED, ZERO))
        for (pot, asset), held in sums.items()
    ]
    return [row for row in rows if row.available or row.reserved]


@dataclass(frozen=True, slots=True)
class Held:
    """A position at a mark; what follows from the mark is None without one."""

    row: Position
    mark: Decimal | None

    @property
    def notional(self) -> Decimal | None:
        return None if self.mark is None else abs(self.row.size) * self.mark

    @property
    def unrealised(self) -> Decimal | None:
        return None if self.mark is None else positions.unrealised(self.row.size, self.row.cost, self.mark)


def positions_of(wallet: Wallet, marks: Mapping[str, Decimal | None]) -> list[Held]:
    """Open positions by symbol; `marks` is by symbol."""
    rows = Position.objects.filter(wallet=wallet).exclude(size=0).select_related("instrument")
    return [Held(row, marks.get(row.instrument.symbol)) for row in rows.order_by("instrument__symbol")]


def entries_page(user: Any, wallet_id: UUID) -> QuerySet[LedgerEntry]:
    """Ledger entries of a wallet that the user may read, newest first, with their transfers."""
    rows = LedgerEntry.objects.filter(_mine(user, "wallet", "wallet__user"), wallet=wallet_id)
    return rows.select_related("transfer").order_by("-pk")


def transfers_page(user: Any, wallet_id: UUID) -> QuerySet[LedgerTransfer]:
    """Events in the books of a wallet that the user may read, newest first, with their entries."""
    rows = LedgerTransfer.objects.filter(_mine(user, "wallet", "wallet__user"), wallet=wallet_id)
    return rows.prefetch_related("entries").order_by("-pk")
