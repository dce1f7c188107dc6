"""Ledger cursor: fills and funding payments of a wallet after, or positions up to, a cursor.

A cursor is the primary key of a fill or of a ledger transaction. All rows of one wallet are stored under its
row lock, so keys become visible in rising order: no row can appear later below a cursor that was read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, DecimalField, Expression, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from wallets.domain.ledger import LedgerAccount
from wallets.domain.position import PositionTotals
from wallets.models import Balance, Fill, LedgerEntry, LedgerTransaction, Order, Position
from wallets.models.wallets import MONEY

ZERO = Decimal(0)
LOCAL_ORIGINS = (Order.Origin.PAGE, Order.Origin.API, Order.Origin.BOT)
_MONEY: Any = DecimalField(**MONEY)
_SIGNED = Case(When(side="buy", then=F("size")), default=-F("size"), output_field=_MONEY)


@dataclass(frozen=True, slots=True)
class FundingPayment:
    """A funding payment of one instrument, above zero when received. `pk` is that of its ledger transaction."""

    pk: int
    instrument_id: int
    amount: Decimal
    time: int


@dataclass(frozen=True, slots=True)
class PositionChange:
    """The signed position change of one fill. `source` is the bot that placed the order; `is_local` is False
    for fills of orders not placed here: liquidations, or orders placed at the venue itself."""

    instrument_id: int
    source: UUID | None
    is_local: bool
    size: Decimal
    time: int


# --- after a cursor -----------------------------------------------------------------------------------
# Reads the next index entry after each cursor. With `EXISTS`, the planner may scan the table when most of
# its rows belong to one wallet.
_NEWER_ROWS = """
SELECT mark.wallet FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS mark (wallet, fill, payment)
WHERE mark.wallet = (
    SELECT wallet_id FROM wallets_fill
    WHERE (wallet_id, id) > (mark.wallet, mark.fill) ORDER BY wallet_id, id LIMIT 1)
  OR mark.wallet = (
    SELECT wallet_id FROM wallets_ledgertransaction
    WHERE kind = 'funding' AND (wallet_id, id) > (mark.wallet, mark.payment) ORDER BY wallet_id, id LIMIT 1)
"""


def wallets_with_unposted_rows(marks: Sequence[tuple[UUID, int, int]]) -> list[UUID]:
    """The wallets of (wallet, fill id, funding transaction id) that have a newer fill or funding payment."""
    if not marks:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_NEWER_ROWS, [list(column) for column in zip(*marks, strict=True)])
        return [wallet for (wallet,) in cursor.fetchall()]


def fills_after(wallet: UUID, pk: int) -> QuerySet[Fill]:
    """Fills stored after the fill `pk`, in that order."""
    return Fill.objects.filter(wallet=wallet, pk__gt=pk).order_by("pk")


def funding_after(wallet: UUID, pk: int) -> QuerySet[LedgerTransaction]:
    """Funding transactions stored after the transaction `pk`, in that order."""
    funding = LedgerTransaction.Kind.FUNDING
    return LedgerTransaction.objects.filter(wallet=wallet, kind=funding, pk__gt=pk).order_by("pk")


def payments_read(rows: QuerySet[LedgerTransaction], most: int | None = None) -> list[FundingPayment]:
    """The first `most` funding payments of `rows`. A transaction without entries is a payment of zero."""
    received = LedgerEntry.objects.filter(transaction=OuterRef("pk"), account=LedgerAccount.AVAILABLE)
    found = rows.annotate(amount=Coalesce(Subquery(received.values("amount")[:1]), Value(ZERO)))
    columns = ("pk", "instrument_id", "amount", "time")
    return [FundingPayment(*row) for row in found.values_list(*columns)[:most]]


def trades_after(wallet: UUID, instruments: Collection[int], time: int, until: int) -> list[PositionChange]:
    """Position changes of these instruments after the time (ms), up to the fill `until`."""
    rows = Fill.objects.filter(wallet=wallet, instrument__in=instruments, time__gt=time, pk__lte=until)
    columns = ("instrument_id", "order__source_id", "order__origin", "side", "size", "time")
    return [
        PositionChange(instrument, source, origin in LOCAL_ORIGINS, size if side == "buy" else -size, at)
        for instrument, source, origin, side, size, at in rows.order_by().values_list(*columns)
    ]


# --- at a cursor --------------------------------------------------------------------------------------
def positions_at(wallet: UUID, fill: int, payment: int) -> dict[int, PositionTotals]:
    """Positions of a wallet's perpetuals by instrument, at the cursors `fill` and `payment`.

    One statement, so that no rows are added in between.
    """
    later = Fill.objects.filter(wallet=wallet, instrument=OuterRef("instrument"), pk__gt=fill)
    paid = LedgerEntry.objects.filter(
        wallet=wallet, account=LedgerAccount.AVAILABLE, transaction__instrument=OuterRef("instrument"),
        transaction__wallet=wallet, transaction__kind=LedgerTransaction.Kind.FUNDING, transaction__pk__gt=payment,
    )  # fmt: skip
    rows = Position.objects.filter(wallet=wallet).annotate(
        size_then=F("size") - _sum(later, _SIGNED),
        cost_then=F("cost") - _sum(later, _SIGNED * F("price") + F("closed_pnl")),
        realised_pnl_then=F("realised_pnl") - _sum(later, F("closed_pnl")),
        fees_then=F("fees") - _sum(later.filter(fee_asset=F("instrument__quote")), F("fee")),
        funding_then=F("funding") - _sum(paid, F("amount")),
    )
    names = ("size", "cost", "realised_pnl", "fees", "funding")
    found = rows.values_list("instrument_id", *(f"{name}_then" for name in names))
    return {row[0]: PositionTotals(*row[1:]) for row in found}


def coins_at(wallet: UUID, fill: int) -> dict[str, Decimal]:
    """Spot holdings of a wallet by asset, at the cursor `fill`."""
    later = Fill.objects.filter(wallet=wallet, pk__gt=fill, instrument__kind="spot")
    traded = later.filter(instrument__base=OuterRef("asset"))
    charged = later.filter(fee_asset=OuterRef("asset"))
    rows = Balance.objects.filter(wallet=wallet, account_type="spot", account=LedgerAccount.AVAILABLE)
    reserved = Balance.objects.filter(
        wallet=wallet, account_type="spot", account=LedgerAccount.RESERVED, asset=OuterRef("asset")
    )
    total_held = F("amount") + Coalesce(Subquery(reserved.values("amount")[:1]), Value(ZERO))
    return dict(
        rows.annotate(then=total_held - _sum(traded, _SIGNED) + _sum(charged, F("fee"))).values_list(
            "asset", "then"
        )
    )


def _sum(rows: QuerySet[Any], amount: Expression | F) -> Coalesce:
    total = rows.order_by().values("wallet").annotate(total=Sum(amount, output_field=_MONEY)).values("total")
    return Coalesce(Subquery(total, output_field=_MONEY), Value(ZERO, output_field=_MONEY))


# --- now ----------------------------------------------------------------------------------------------
def net_position(wallet_id: UUID, instrument_id: int) -> Decimal:
    """The wallet's position in a perpetual, all holders together."""
    sizes = Position.objects.filter(wallet=wallet_id, instrument=instrument_id).values_list("size", flat=True)
    return sizes.first() or ZERO


def bots_position(wallet_id: UUID, instrument_id: int) -> Decimal:
    """What all bots of the wallet have bought less what they have sold in an instrument."""
    orders = Order.objects.filter(wallet=wallet_id, instrument=instrument_id, source_id__isnull=False)
    signed = Case(When(side="buy", then=F("filled")), default=-F("filled"), output_field=_MONEY)
    held: Decimal = orders.aggregate(size=Coalesce(Sum(signed), Value(ZERO), output_field=_MONEY))["size"]
    return held
