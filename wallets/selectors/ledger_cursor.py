"""What a wallet's books say after, or up to, a place in them: for whoever keeps books of their own beside.

A place is the key of a fill or of a transfer. Everything of one wallet is booked under its row lock, so
keys become visible in rising order: what was read up to a place is all that will ever be there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Case, DecimalField, Expression, F, OuterRef, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from wallets.domain.ledger import Account
from wallets.domain.position import Holding
from wallets.models import Balance, Fill, LedgerEntry, LedgerTransfer, Order, Position
from wallets.models.wallets import MONEY

ZERO = Decimal(0)
ASKED_HERE = (Order.Origin.PAGE, Order.Origin.API, Order.Origin.BOT)
_MONEY: Any = DecimalField(**MONEY)
_SIGNED = Case(When(side="buy", then=F("size")), default=-F("size"), output_field=_MONEY)


@dataclass(frozen=True, slots=True)
class Payment:
    """A funding payment of one instrument, above zero when received. `pk` is its transfer's."""

    pk: int
    instrument_id: int
    amount: Decimal
    time: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What one fill moved, signed. `source` is the bot that asked; `ours` is False for what nobody asked
    here for: a liquidation, or an order from the venue's own page."""

    instrument_id: int
    source: UUID | None
    ours: bool
    size: Decimal
    time: int


# --- since -------------------------------------------------------------------------------------------
# The next key of the index after a place: one entry is read for each, where `EXISTS` may be led to search
# the table when most of it is one wallet's.
_BEYOND = """
SELECT mark.wallet FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS mark (wallet, fill, payment)
WHERE mark.wallet = (
    SELECT wallet_id FROM wallets_fill
    WHERE (wallet_id, id) > (mark.wallet, mark.fill) ORDER BY wallet_id, id LIMIT 1)
  OR mark.wallet = (
    SELECT wallet_id FROM wallets_ledgertransfer
    WHERE kind = 'funding' AND (wallet_id, id) > (mark.wallet, mark.payment) ORDER BY wallet_id, id LIMIT 1)
"""


def wallets_beyond(marks: Sequence[tuple[UUID, int, int]]) -> list[UUID]:
    """Of (wallet, fill, transfer of funding): those wallets that have a newer fill or payment."""
    if not marks:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND, [list(column) for column in zip(*marks, strict=True)])
        return [wallet for (wallet,) in cursor.fetchall()]


def fills_beyond(wallet: UUID, pk: int) -> QuerySet[Fill]:
    """Fills booked after the fill `pk`, in that order."""
    return Fill.objects.filter(wallet=wallet, pk__gt=pk).order_by("pk")


def payments_beyond(wallet: UUID, pk: int) -> QuerySet[LedgerTransfer]:
    """Transfers of funding booked after the transfer `pk`, in that order."""
    funding = LedgerTransfer.Kind.FUNDING
    return LedgerTransfer.objects.filter(wallet=wallet, kind=funding, pk__gt=pk).order_by("pk")


def payments_read(rows: QuerySet[LedgerTransfer], most: int | None = None) -> list[Payment]:
    """The first of some transfers of funding. One that moved nothing was a payment of nothing."""
    received = LedgerEntry.objects.filter(transfer=OuterRef("pk"), account=Account.AVAILABLE)
    found = rows.annotate(amount=Coalesce(Subquery(received.values("amount")[:1]), Value(ZERO)))
    columns = ("pk", "instrument_id", "amount", "time")
    return [Payment(*row) for row in found.values_list(*columns)[:most]]


def trades_later(wallet: UUID, instruments: Collection[int], time: int, until: int) -> list[Moved]:
    """What moved these instruments after the time (ms), among the fills up to the fill `until`."""
    rows = Fill.objects.filter(wallet=wallet, instrument__in=instruments, time__gt=time, pk__lte=until)
    columns = ("instrument_id", "order__source_id", "order__origin", "side", "size", "time")
    return [
        Moved(place, source, origin in ASKED_HERE, size if side == "buy" else -size, at)
        for place, source, origin, side, size, at in rows.order_by().values_list(*columns)
    ]


# --- up to -------------------------------------------------------------------------------------------
def positions_at(wallet: UUID, fill: int, payment: int) -> dict[int, Holding]:
    """The positions of a wallet's perpetuals by instrument, without what was booked after these places.

    One statement, so that nothing is booked in between.
    """
    later = Fill.objects.filter(wallet=wallet, instrument=OuterRef("instrument"), pk__gt=fill)
    paid = LedgerEntry.objects.filter(
        wallet=wallet, account=Account.AVAILABLE, transfer__instrument=OuterRef("instrument"),
        transfer__wallet=wallet, transfer__kind=LedgerTransfer.Kind.FUNDING, transfer__pk__gt=payment,
    )  # fmt: skip
    rows = Position.objects.filter(wallet=wallet).annotate(
        size_then=F("size") - _sum(later, _SIGNED),
        cost_then=F("cost") - _sum(later, _SIGNED * F("price") + F("closed_pnl")),
        realised_then=F("realised") - _sum(later, F("closed_pnl")),
        fees_then=F("fees") - _sum(later, F("fee")),
        funding_then=F("funding") - _sum(paid, F("amount")),
    )
    names = ("size", "cost", "realised", "fees", "funding")
    found = rows.values_list("instrument_id", *(f"{name}_then" for name in names))
    return {row[0]: Holding(*row[1:]) for row in found}


def coins_at(wallet: UUID, fill: int) -> dict[str, Decimal]:
    """The coins of a wallet's spot pot by asset, without what fills after this place brought or took."""
    later = Fill.objects.filter(wallet=wallet, pk__gt=fill, instrument__kind="spot")
    traded = later.filter(instrument__base=OuterRef("asset"))
    charged = later.filter(fee_asset=OuterRef("asset"))
    rows = Balance.objects.filter(wallet=wallet, pot="spot", account=Account.AVAILABLE)
    reserved = Balance.objects.filter(
        wallet=wallet, pot="spot", account=Account.RESERVED, asset=OuterRef("asset")
    )
    held = F("amount") + Coalesce(Subquery(reserved.values("amount")[:1]), Value(ZERO))
    return dict(
        rows.annotate(then=held - _sum(traded, _SIGNED) + _sum(charged, F("fee"))).values_list(
            "asset", "then"
        )
    )


def _sum(rows: QuerySet[Any], amount: Expression | F) -> Coalesce:
    total = rows.order_by().values("wallet").annotate(total=Sum(amount, output_field=_MONEY)).values("total")
    return Coalesce(Subquery(total, output_field=_MONEY), Value(ZERO, output_field=_MONEY))
