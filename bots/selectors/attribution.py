"""Whose the positions of a wallet are: its bots', the person's, and what no order of this house explains.

Perpetuals: the venue nets everybody's trades into one position. Sizes, fees, funding, and realised less
cost (what trading brought in) of all holders and the residual are the wallet's own to the last decimal.
`realised` and `cost` each differ by what the venue netted between holders: that is in the residual's too.
Spot has no positions: `size` counts coins, the venue's are those in the spot pot whatever brought them
there, and money is in the wallet's ledger alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import reduce
from typing import Any
from uuid import UUID

from bots.domain.attribution import Attribution
from bots.models import HolderBook
from bots.sdk.context import Position
from wallets.selectors import coins_at, positions_at

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Share:
    """One bot's part. `gone` of its size is known to have left the venue by no order of this house."""

    bot: UUID
    name: str
    position: Position
    gone: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Split:
    """One instrument. `manual` is what people asked for here; funding beyond the bots' shares is theirs."""

    instrument: Any
    shares: tuple[Share, ...]
    manual: Position
    venue: Position
    elsewhere: Decimal = ZERO  # spot: the same coin, held by way of other instruments

    @property
    def residual(self) -> Position:
        known = reduce(_plus, (share.position for share in self.shares), self.manual)
        rest = _minus(self.venue, known)
        if self.instrument.kind == "spot":
            return Position(size=rest.size - self.elsewhere)
        return rest

    @property
    def sizes(self) -> Attribution:
        """For `closing`: what is held elsewhere is nobody's to close here, and what went is gone once."""
        bots = {str(share.bot): share.position.size - share.gone for share in self.shares}
        return Attribution(bots, self.manual.size + self.elsewhere, self.venue.size)


def attribution_of(wallet: Any) -> list[Split]:
    """Every instrument that a bot of this wallet has traded, by symbol; in three queries."""
    splits = splits_of(wallet.pk)
    return [_with_drift(split, wallet.residual) for split in splits if split.shares]


def splits_of(wallet_id: UUID, base: str = "") -> list[Split]:
    """As it was posted last: whatever is booked meanwhile is on no side of it. Of one coin or of all."""
    found = HolderBook.objects.filter(mark=wallet_id, **({"instrument__base": base} if base else {}))
    places = found.select_related("mark", "instrument", "bot")
    rows = list(places.order_by("instrument__symbol", "bot__created_at", "pk"))
    if not rows:
        return []
    mark = rows[0].mark
    held = positions_at(wallet_id, mark.fills_until, mark.payments_until)
    coins = coins_at(wallet_id, mark.fills_until) if _any_spot(rows) else {}
    by_coin: dict[str, Decimal] = defaultdict(Decimal)
    by_place: dict[int, list[HolderBook]] = defaultdict(list)
    for row in rows:
        by_place[row.instrument_id].append(row)
        if row.instrument.kind == "spot":
            by_coin[row.instrument.base] += row.size
    return [
        _spot(mine, coins, by_coin) if mine[0].instrument.kind == "spot" else _perp(mine, held.get(place))
        for place, mine in by_place.items()
    ]


def _any_spot(rows: Iterable[HolderBook]) -> bool:
    return any(row.instrument.kind == "spot" for row in rows)


def _perp(rows: list[HolderBook], held: Any) -> Split:
    shares, manual = _parts(rows)
    venue = Position(held.size, held.cost, held.realised, held.fees, held.funding) if held else Position()
    paid = venue.funding - sum((share.position.funding for share in shares), ZERO)
    return Split(rows[0].instrument, shares, _plus(manual, Position(funding=paid)), venue)


def _spot(rows: list[HolderBook], coins: dict[str, Decimal], by_coin: dict[str, Decimal]) -> Split:
    shares, manual = _parts(rows)
    base = rows[0].instrument.base
    here = sum((row.size for row in rows), ZERO)
    venue = Position(size=coins.get(base, ZERO))
    return Split(rows[0].instrument, shares, manual, venue, by_coin[base] - here)


def _parts(rows: list[HolderBook]) -> tuple[tuple[Share, ...], Position]:
    shares, manual = [], Position()
    for row in rows:
        position = Position(row.size, row.cost, row.realised, row.fees, row.funding)
        if row.bot is None:
            manual = position
        else:
            shares.append(Share(row.bot.pk, row.bot.name, position, row.gone))
    return tuple(shares), manual


def _with_drift(split: Split, residual: dict[str, str]) -> Split:
    """The wallet's books differ from the venue's themselves, as of their last comparison: so does this."""
    drift = residual.get(f"position:{split.instrument.symbol}")
    if split.instrument.kind == "spot" or drift is None:
        return split
    venue = _plus(split.venue, Position(size=Decimal(drift)))
    return Split(split.instrument, split.shares, split.manual, venue)


def _plus(one: Position, other: Position) -> Position:
    return Position(*(getattr(one, f.name) + getattr(other, f.name) for f in fields(Position)))


def _minus(one: Position, other: Position) -> Position:
    return Position(*(getattr(one, f.name) - getattr(other, f.name) for f in fields(Position)))
