"""Position attribution of a wallet: its bots, manual trading, and the unattributed residual.

Perpetuals: the venue nets the trades of all holders into one position. Sizes, fees, funding, and realised
PnL minus cost of all holders and the residual sum exactly to the wallet's own. `realised_pnl` and `cost` on
their own differ by what the venue netted between holders; that difference is part of the residual.
Spot has no positions: `size` counts coins, the venue's size is the balance of the spot account from any
source, and amounts of money are only in the wallet's ledger.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any
from uuid import UUID

from bots.domain.attribution import Attribution
from bots.models import HolderPosition
from bots.sdk.context import Position
from wallets.domain.position import PositionTotals
from wallets.selectors import coins_at, positions_at

if TYPE_CHECKING:
    from wallets.models import Wallet

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class HolderShare:
    """One bot's share. `closed_externally` of its size was closed without an order placed here."""

    bot: UUID
    name: str
    position: Position
    closed_externally: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class InstrumentAttribution:
    """Attribution of one instrument. `manual` is trading by orders placed here by users, plus the funding
    beyond the bots' shares."""

    instrument: Any
    shares: tuple[HolderShare, ...]
    manual: Position
    venue: Position
    elsewhere: Decimal = ZERO  # spot: the same coin, held through other instruments

    @property
    def residual(self) -> Position:
        """The part of the venue's position that no holder explains."""
        attributed = reduce(_plus, (share.position for share in self.shares), self.manual)
        rest = _minus(self.venue, attributed)
        if self.instrument.kind == "spot":
            return Position(size=rest.size - self.elsewhere)
        return rest

    @property
    def sizes(self) -> Attribution:
        """Sizes for closing a position. Coins held through other instruments cannot be closed here and count
        as manual; a size closed externally is deducted from its bot once."""
        bots = {str(share.bot): share.position.size - share.closed_externally for share in self.shares}
        return Attribution(bots, self.manual.size + self.elsewhere, self.venue.size)


def attribution_of(wallet: "Wallet") -> list[InstrumentAttribution]:
    """The attribution of every instrument that a bot of this wallet has traded, by symbol; three queries."""
    splits = attributions_of(wallet.pk)
    return [_with_drift(split, wallet.residual) for split in splits if split.shares]


def attributions_of(wallet_id: UUID, base: str = "") -> list[InstrumentAttribution]:
    """Attributions as of the last ledger posting, of one coin (`base`) or of all.

    Fills that were stored after it are on neither side.
    """
    found = HolderPosition.objects.filter(cursor=wallet_id, **({"instrument__base": base} if base else {}))
    rows_with_names = found.select_related("cursor", "instrument", "bot")
    rows = list(rows_with_names.order_by("instrument__symbol", "bot__created_at", "pk"))
    if not rows:
        return []
    cursor = rows[0].cursor
    held = positions_at(wallet_id, cursor.last_fill_id, cursor.last_funding_id)
    coins = coins_at(wallet_id, cursor.last_fill_id) if _any_spot(rows) else {}
    by_coin: dict[str, Decimal] = defaultdict(Decimal)
    by_instrument: dict[int, list[HolderPosition]] = defaultdict(list)
    for row in rows:
        by_instrument[row.instrument_id].append(row)
        if row.instrument.kind == "spot":
            by_coin[row.instrument.base] += row.size
    return [
        _spot(instrument_rows, coins, by_coin)
        if instrument_rows[0].instrument.kind == "spot"
        else _perp(instrument_rows, held.get(instrument_id))
        for instrument_id, instrument_rows in by_instrument.items()
    ]


def _any_spot(rows: Iterable[HolderPosition]) -> bool:
    return any(row.instrument.kind == "spot" for row in rows)


def _perp(rows: list[HolderPosition], held: PositionTotals | None) -> InstrumentAttribution:
    shares, manual = _shares_and_manual(rows)
    venue = Position(held.size, held.cost, held.realised_pnl, held.fees, held.funding) if held else Position()
    paid = venue.funding - sum((share.position.funding for share in shares), ZERO)
    return InstrumentAttribution(rows[0].instrument, shares, _plus(manual, Position(funding=paid)), venue)


def _spot(
    rows: list[HolderPosition], coins: dict[str, Decimal], by_coin: dict[str, Decimal]
) -> InstrumentAttribution:
    shares, manual = _shares_and_manual(rows)
    base = rows[0].instrument.base
    own_size = sum((row.size for row in rows), ZERO)
    venue = Position(size=coins.get(base, ZERO))
    return InstrumentAttribution(rows[0].instrument, shares, manual, venue, by_coin[base] - own_size)


def _shares_and_manual(rows: list[HolderPosition]) -> tuple[tuple[HolderShare, ...], Position]:
    shares, manual = [], Position()
    for row in rows:
        position = Position(row.size, row.cost, row.realised_pnl, row.fees, row.funding)
        if row.bot is None:
            manual = position
        else:
            shares.append(HolderShare(row.bot.pk, row.bot.name, position, row.closed_externally))
    return tuple(shares), manual


def _with_drift(split: InstrumentAttribution, residual: dict[str, str]) -> InstrumentAttribution:
    """Add the wallet's own difference from the venue, as of the last reconciliation."""
    drift = residual.get(f"position:{split.instrument.symbol}")
    if split.instrument.kind == "spot" or drift is None:
        return split
    venue = _plus(split.venue, Position(size=Decimal(drift)))
    return InstrumentAttribution(split.instrument, split.shares, split.manual, venue)


def _plus(one: Position, other: Position) -> Position:
    return Position(*(getattr(one, f.name) + getattr(other, f.name) for f in fields(Position)))


def _minus(one: Position, other: Position) -> Position:
    return Position(*(getattr(one, f.name) - getattr(other, f.name) for f in fields(Position)))
