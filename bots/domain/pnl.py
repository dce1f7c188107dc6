"""Running profit and loss of a bot: its position, fees, funding and drawdown, fill by fill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Self

from bots.domain.ledger import Account, BotFill, BotFunding, Entry, fill_entries, funding_entries
from bots.sdk.context import Position
from market.domain.events import Side
from wallets.domain.ledger import exact

ZERO = Decimal(0)
When = tuple[int, str]  # time in ms, ref
EXACT = Decimal("1e-12")  # of a quote unit: to this the cost of a part of a position is cut


def traded(position: Position, side: Side, price: Decimal, size: Decimal) -> Position:
    """The position after a trade. Closing realises against the average cost; beyond flat a new one opens."""
    signed = size if side == "buy" else -size
    worth = exact(signed * price)
    if position.size * signed >= 0:
        return replace(position, size=position.size + signed, cost=position.cost + worth)
    closed = min(size, abs(position.size))
    toward = closed if side == "buy" else -closed
    cost = position.cost
    if closed < abs(position.size):
        cost = (position.cost * closed / abs(position.size)).quantize(EXACT, ROUND_HALF_EVEN)
    given = exact(toward * price)
    return replace(
        position,
        size=position.size + signed,
        cost=position.cost - cost + (worth - given),
        realised=position.realised - given - cost,
    )


def kept(position: Position, size: Decimal) -> Position:
    """The position of which only `size` is left, without a trade: nothing is realised, no price is known."""
    if not size:
        return replace(position, size=ZERO, cost=ZERO)
    cost = (position.cost * size / position.size).quantize(EXACT, ROUND_HALF_EVEN)
    return replace(position, size=size, cost=cost)


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
