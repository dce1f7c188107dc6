"""Attribution of a wallet's position to its bots, to manual trading and to a residual.

The shares of all bots, manual trading and the residual always sum to the venue's position.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from bots.domain.pnl import EXACT
from market.domain.events import Side

ZERO = Decimal(0)


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
