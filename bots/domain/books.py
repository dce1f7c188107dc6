"""The books of a bot on a wallet that it shares: built from the venue's fills and funding, nothing else.

Every fact becomes entries that sum to zero per asset. Σ bots + manual + residual = venue, always: what
nobody's orders explain is shown as the residual.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Self

from bots.sdk.context import Position
from market.domain.events import Side

ZERO = Decimal(0)
When = tuple[int, str]  # time in ms, ref
EXACT = Decimal("1e-12")  # of a quote unit: to this the cost of a part of a position is cut


class Account(StrEnum):
    """`HELD` is the bot's; the others are where it came from or went, with the opposite sign."""

    HELD = "held"
    TRADED = "traded"
    FEES = "fees"
    FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Entry:
    """An amount of one asset on one account; the entries of one `ref` sum to zero per asset."""

    ref: str
    account: Account
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BotFill:
    """A fill of one of the bot's orders. `ref` is unique: venue order and trade. `fee` above zero is paid."""

    ref: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    time: int


@dataclass(frozen=True, slots=True)
class BotFunding:
    """The bot's share of a funding payment, above zero when received."""

    ref: str
    amount: Decimal
    time: int


def traded(position: Position, side: Side, price: Decimal, size: Decimal) -> Position:
    """The position after a trade. Closing realises against the average cost; beyond flat a new one opens."""
    signed = size if side == "buy" else -size
    if position.size * signed >= 0:
        return replace(position, size=position.size + signed, cost=position.cost + signed * price)
    closed = min(size, abs(position.size))
    toward = closed if side == "buy" else -closed
    cost = position.cost
    if closed < abs(position.size):
        cost = (position.cost * closed / abs(position.size)).quantize(EXACT, ROUND_HALF_EVEN)
    opened = signed - toward
    return replace(
        position,
        size=position.size + signed,
        cost=position.cost - cost + opened * price,
        realised=position.realised - toward * price - cost,
    )


def kept(position: Position, size: Decimal) -> Position:
    """The position of which only `size` is left, without a trade: nothing is realised, no price is known."""
    if not size:
        return replace(position, size=ZERO, cost=ZERO)
    cost = (position.cost * size / position.size).quantize(EXACT, ROUND_HALF_EVEN)
    return replace(position, size=size, cost=cost)


def fill_entries(fill: BotFill, base: str, quote: str) -> tuple[Entry, ...]:
    signed = fill.size if fill.side == "buy" else -fill.size
    paid = signed * fill.price
    return (
        Entry(fill.ref, Account.HELD, base, signed),
        Entry(fill.ref, Account.TRADED, base, -signed),
        Entry(fill.ref, Account.HELD, quote, -paid),
        Entry(fill.ref, Account.TRADED, quote, paid),
        Entry(fill.ref, Account.HELD, fill.fee_asset, -fill.fee),
        Entry(fill.ref, Account.FEES, fill.fee_asset, fill.fee),
    )


def funding_entries(funding: BotFunding, quote: str) -> tuple[Entry, ...]:
    return (
        Entry(funding.ref, Account.HELD, quote, funding.amount),
        Entry(funding.ref, Account.FUNDING, quote, -funding.amount),
    )


def after_fee(position: Position, fill: BotFill, base: str, quote: str) -> Position:
    """A fee in quote units is a cost of its own; one taken in the base asset makes the position smaller.

    A fee in a third asset is in the entries only: we do not invent a price for it.
    """
    if fill.fee_asset == base:
        return replace(position, size=position.size - fill.fee)
    if fill.fee_asset == quote:
        return replace(position, fees=position.fees + fill.fee)
    return position


@dataclass(frozen=True, slots=True)
class Book:
    """One bot's book. `balances` is the sum of all entries by account and asset; times in ms.

    `peak` is the highest profit of trading seen, `drawdown` the deepest fall from a peak, in quote units;
    funding is left out of both, so that a payment that becomes known late changes nothing else.
    `in_market` is the time with a position until `since`, which is when it was last touched.
    """

    base: str
    quote: str
    position: Position = field(default_factory=Position)
    balances: Mapping[tuple[Account, str], Decimal] = field(default_factory=dict)
    fills: int = 0
    trips: int = 0  # from flat to flat, or through flat to the other side
    volume: Decimal = ZERO
    peak: Decimal = ZERO
    drawdown: Decimal = ZERO
    in_market: int = 0
    since: int | None = None

    def filled(self, fill: BotFill) -> Self:
        """The book after the fill. Tell it each fact once, as `built` does."""
        before = self.position
        position = after_fee(traded(before, fill.side, fill.price, fill.size), fill, self.base, self.quote)
        ended = before.size != 0 and before.size * position.size <= 0
        book = replace(
            self._at(fill.time),
            position=position,
            balances=self._posted(fill_entries(fill, self.base, self.quote)),
            fills=self.fills + 1,
            trips=self.trips + ended,
            volume=self.volume + fill.price * fill.size,
        )
        return book.marked(fill.price, fill.time)

    def funded(self, funding: BotFunding) -> Self:
        """The book after the payment. Tell it each fact once, as `built` does."""
        position = replace(self.position, funding=self.position.funding + funding.amount)
        balances = self._posted(funding_entries(funding, self.quote))
        return replace(self, position=position, balances=balances)

    def marked(self, price: Decimal, time: int) -> Self:
        """The book as it stands at this price: the clock of time in market and the drawdown move on."""
        profit = self.position.profit(price) - self.position.funding
        peak = max(self.peak, profit)
        return replace(self._at(time), peak=peak, drawdown=max(self.drawdown, peak - profit))

    def unrealised(self, price: Decimal) -> Decimal:
        return self.position.size * price - self.position.cost

    def held(self, asset: str) -> Decimal:
        """What the entries say that the bot has gained or given of the asset."""
        return self.balances.get((Account.HELD, asset), ZERO)

    def _posted(self, entries: Iterable[Entry]) -> dict[tuple[Account, str], Decimal]:
        balances = dict(self.balances)
        for entry in entries:
            key = (entry.account, entry.asset)
            balances[key] = balances.get(key, ZERO) + entry.amount
        return balances

    def _at(self, time: int) -> Self:
        since = time if self.since is None else max(time, self.since)
        spent = since - self.since if self.since is not None and self.position.size else 0
        return replace(self, since=since, in_market=self.in_market + spent)


def built(base: str, quote: str, facts: Iterable[BotFill | BotFunding]) -> Book:
    """The book of these facts, which may be repeated and in any order."""
    known = {fact.ref: fact for fact in facts}
    book = Book(base, quote)
    for fact in sorted(known.values(), key=when):
        book = book.filled(fact) if isinstance(fact, BotFill) else book.funded(fact)
    return book


def when(fact: BotFill | BotFunding) -> When:
    """Facts of one moment are told in the order of their names."""
    return fact.time, fact.ref


def grown(book: Book, last: When, fills: Iterable[BotFill]) -> Book | None:
    """The book with these fills as well, each new to it; None when one is older than `last`, the newest
    that it knows: then the book has to be `built` again from all of them."""
    news = sorted(fills, key=when)
    if news and when(news[0]) <= last:
        return None
    for fill in news:
        book = book.filled(fill)
    return book


# --- several bots on one wallet ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Trade:
    """What a holder traded, signed; the empty name stands for whoever has no book here."""

    holder: str
    size: Decimal
    time: int


def sizes_at(time: int, sizes: Mapping[str, Decimal], trades: Iterable[Trade]) -> dict[str, Decimal]:
    """The sizes as they were then, without what of `trades` came later. Every trade moves the venue's
    position, which is under the empty name."""
    then = dict(sizes)
    for trade in trades:
        if trade.time > time:
            for name in {trade.holder, ""} & then.keys():
                then[name] -= trade.size
    return then


def funding_split(amount: Decimal, sizes: Mapping[str, Decimal], venue: Decimal) -> dict[str, Decimal]:
    """Each holder's share of a payment on the venue's position, and the rest under the empty name.

    A payment is for the size held when it falls due, so that summed over a run it follows size × time
    held. Holders on the other side of the market get what those on this side pay beyond the venue's
    amount. Shares are cut to 12 decimals; together with the rest they are exactly `amount`.
    """
    shares = dict.fromkeys(sizes, ZERO)
    if venue:
        shares = {
            holder: (amount * size / venue).quantize(EXACT, ROUND_HALF_EVEN) for holder, size in sizes.items()
        }
    return {**shares, "": amount - sum(shares.values(), ZERO)}


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose the venue's position is. `residual` is what no order that we know explains."""

    bots: Mapping[str, Decimal]
    manual: Decimal
    venue: Decimal

    @property
    def residual(self) -> Decimal:
        return self.venue - self.manual - sum(self.bots.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Closing:
    """How a bot's own position is traded away. `reduce_only` is asked for where the venue could grant it."""

    side: Side
    size: Decimal
    reduce_only: bool


def closing(bot: str, attribution: Attribution) -> Closing | None:
    """How to close what is the bot's own, never more; None when nothing is left of it.

    Where other books hold the opposite, the venue's net position is smaller than the bot's own and a
    reduce-only order would be refused: a plain one of the bot's size is right, because the books say so.
    What disappeared at the venue without an order of ours (a liquidation, a hand on the venue's own page)
    is taken to have been the bot's: closing it again would open the opposite.
    """
    own = attribution.bots[bot]
    missing = attribution.residual if attribution.residual * own < 0 else ZERO
    left = own + missing if abs(missing) < abs(own) else ZERO
    if not left:
        return None
    covered = attribution.venue * left > 0 and abs(attribution.venue) >= abs(left)
    return Closing("sell" if left > 0 else "buy", abs(left), covered)
