"""Running PnL of a bot: position, fees, funding and drawdown, computed fill by fill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Self

from bots.domain.ledger import Entry, LedgerAccount, LedgerFill, LedgerFunding, fill_entries, funding_entries
from bots.sdk.context import Position
from market.domain.events import Side
from wallets.domain.ledger import exact

ZERO = Decimal(0)
When = tuple[int, str]  # time in ms, ref
EXACT = Decimal("1e-12")  # quote units: the cost of a part of a position is rounded to this


def apply_trade(position: Position, side: Side, price: Decimal, size: Decimal) -> Position:
    """The position after a trade. A reduction realises PnL at the average cost; past flat it reverses."""
    signed = size if side == "buy" else -size
    notional = exact(signed * price)
    if position.size * signed >= 0:
        return replace(position, size=position.size + signed, cost=position.cost + notional)
    closed = min(size, abs(position.size))
    closed_signed = closed if side == "buy" else -closed
    cost = position.cost
    if closed < abs(position.size):
        cost = (position.cost * closed / abs(position.size)).quantize(EXACT, ROUND_HALF_EVEN)
    closed_notional = exact(closed_signed * price)
    return replace(
        position,
        size=position.size + signed,
        cost=position.cost - cost + (notional - closed_notional),
        realised_pnl=position.realised_pnl - closed_notional - cost,
    )


def reduce_to(position: Position, size: Decimal) -> Position:
    """The position reduced to `size` without a trade: no PnL is realised, because no price is known."""
    if not size:
        return replace(position, size=ZERO, cost=ZERO)
    cost = (position.cost * size / position.size).quantize(EXACT, ROUND_HALF_EVEN)
    return replace(position, size=size, cost=cost)


def after_fee(position: Position, fill: LedgerFill, base: str, quote: str) -> Position:
    """The position after the fill's fee: a quote fee adds to `fees`, a base fee reduces the size.

    A fee in a third asset is only in the ledger entries, because there is no price for it.
    """
    if fill.fee_asset == base:
        return replace(position, size=position.size - fill.fee)
    if fill.fee_asset == quote:
        return replace(position, fees=position.fees + fill.fee)
    return position


@dataclass(frozen=True, slots=True)
class BotPnl:
    """Running PnL of one bot. `balances` is the sum of all entries by account and asset; times in ms.

    `peak` is the highest trading PnL so far, `max_drawdown` the largest fall from a peak, in quote units;
    funding is excluded from both, so that a payment that becomes known late changes nothing else.
    `time_in_market` is the time with a position until `updated_time`.
    """

    base: str
    quote: str
    position: Position = field(default_factory=Position)
    balances: Mapping[tuple[LedgerAccount, str], Decimal] = field(default_factory=dict)
    fills: int = 0
    round_trips: int = 0  # from flat to flat, or through flat to the other side
    volume: Decimal = ZERO
    peak: Decimal = ZERO
    max_drawdown: Decimal = ZERO
    time_in_market: int = 0
    updated_time: int | None = None

    def filled(self, fill: LedgerFill) -> Self:
        """The PnL after the fill. Apply each fill once, as `pnl_from` does."""
        before = self.position
        position = after_fee(
            apply_trade(before, fill.side, fill.price, fill.size), fill, self.base, self.quote
        )
        closed_trip = before.size != 0 and before.size * position.size <= 0
        book = replace(
            self._at(fill.time),
            position=position,
            balances=self._posted(fill_entries(fill, self.base, self.quote)),
            fills=self.fills + 1,
            round_trips=self.round_trips + closed_trip,
            volume=self.volume + fill.price * fill.size,
        )
        return book.marked(fill.price, fill.time)

    def funded(self, funding: LedgerFunding) -> Self:
        """The PnL after the payment. Apply each payment once, as `pnl_from` does."""
        position = replace(self.position, funding=self.position.funding + funding.amount)
        balances = self._posted(funding_entries(funding, self.quote))
        return replace(self, position=position, balances=balances)

    def marked(self, price: Decimal, time: int) -> Self:
        """The PnL at this price and time: updates time in market, peak and drawdown."""
        profit = self.position.pnl(price) - self.position.funding
        peak = max(self.peak, profit)
        return replace(self._at(time), peak=peak, max_drawdown=max(self.max_drawdown, peak - profit))

    def unrealised_pnl(self, price: Decimal) -> Decimal:
        """Unrealised PnL at this price, in quote units."""
        return self.position.size * price - self.position.cost

    def asset_balance(self, asset: str) -> Decimal:
        """The bot's net balance of the asset, from the ledger entries."""
        return self.balances.get((LedgerAccount.POSITION, asset), ZERO)

    def _posted(self, entries: Iterable[Entry]) -> dict[tuple[LedgerAccount, str], Decimal]:
        balances = dict(self.balances)
        for entry in entries:
            key = (entry.account, entry.asset)
            balances[key] = balances.get(key, ZERO) + entry.amount
        return balances

    def _at(self, time: int) -> Self:
        updated = time if self.updated_time is None else max(time, self.updated_time)
        elapsed = updated - self.updated_time if self.updated_time is not None and self.position.size else 0
        return replace(self, updated_time=updated, time_in_market=self.time_in_market + elapsed)


def pnl_from(base: str, quote: str, postings: Iterable[LedgerFill | LedgerFunding]) -> BotPnl:
    """The PnL of these fills and payments, which may be repeated and in any order."""
    unique = {posting.ref: posting for posting in postings}
    book = BotPnl(base, quote)
    for posting in sorted(unique.values(), key=when):
        book = book.filled(posting) if isinstance(posting, LedgerFill) else book.funded(posting)
    return book


def when(posting: LedgerFill | LedgerFunding) -> When:
    """Sort key of fills and payments: by time, then by ref."""
    return posting.time, posting.ref


def pnl_extended(book: BotPnl, last: When, fills: Iterable[LedgerFill]) -> BotPnl | None:
    """The PnL extended by new fills; None when one of them is not newer than `last`, the newest one applied.

    Then the PnL must be built again from all fills with `pnl_from`.
    """
    ordered = sorted(fills, key=when)
    if ordered and when(ordered[0]) <= last:
        return None
    for fill in ordered:
        book = book.filled(fill)
    return book
