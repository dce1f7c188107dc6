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
class HolderTrade:
    """A trade of one holder, signed. The empty holder name stands for trades that no bot owns."""

    holder: str
    size: Decimal
    time: int


def position_sizes_at(
    time: int, sizes: Mapping[str, Decimal], trades: Iterable[HolderTrade]
) -> dict[str, Decimal]:
    """Position sizes by holder at `time` (ms): `sizes` without the trades that came later.

    Every trade also moves the venue's net position, which is under the empty name.
    """
    sizes_then = dict(sizes)
    for trade in trades:
        if trade.time > time:
            for name in {trade.holder, ""} & sizes_then.keys():
                sizes_then[name] -= trade.size
    return sizes_then


def funding_split(amount: Decimal, sizes: Mapping[str, Decimal], net_position: Decimal) -> dict[str, Decimal]:
    """Split of a funding payment: each holder's share, and the unattributed rest under the empty name.

    A payment is proportional to the size held when it falls due, so that over a run the sum follows
    size × time held. Holders on the opposite side of the market receive what the holders on this side pay
    beyond the venue's amount. Shares are rounded to 12 decimals; with the rest they sum exactly to `amount`.
    """
    shares = dict.fromkeys(sizes, ZERO)
    if net_position:
        shares = {
            holder: (amount * size / net_position).quantize(EXACT, ROUND_HALF_EVEN)
            for holder, size in sizes.items()
        }
    return {**shares, "": amount - sum(shares.values(), ZERO)}


@dataclass(frozen=True, slots=True)
class Attribution:
    """Split of the venue's net position by holder. `residual` is the part that no stored order explains."""

    bots: Mapping[str, Decimal]
    manual: Decimal
    venue: Decimal

    @property
    def residual(self) -> Decimal:
        return self.venue - self.manual - sum(self.bots.values(), ZERO)


def missing_size(bot: str, attribution: Attribution) -> Decimal:
    """How much of the bot's own position the venue's net position does not cover, beside the other bots.

    Above zero, the bot's position and the venue's cannot both be true: somewhere else, by hand or at the venue itself,
    the opposite was traded. Orders that close the bot's position could then open the opposite one.
    """
    own = attribution.bots[bot]
    beside = attribution.venue - sum(attribution.bots.values(), ZERO) + own
    covered = min(abs(beside), abs(own)) if beside * own > 0 else ZERO
    return abs(own) - covered


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """Order that closes a bot's own position; `reduce_only` is set where the venue would accept it."""

    side: Side
    size: Decimal
    reduce_only: bool


def close_order(bot: str, attribution: Attribution) -> CloseOrder | None:
    """The order that closes the bot's own position, never more than that; None when nothing remains of it.

    Where other holders have the opposite position, the venue's net position is smaller than the bot's own
    and the venue would reject a reduce-only order: a plain order of the bot's size is correct, according to
    the ledger. What disappeared at the venue without an order of this application (a liquidation, a trade
    made on the venue's own page) is counted as the bot's: closing it again would open the opposite position.
    """
    own = attribution.bots[bot]
    missing = attribution.residual if attribution.residual * own < 0 else ZERO
    remaining = own + missing if abs(missing) < abs(own) else ZERO
    if not remaining:
        return None
    reducible = attribution.venue * remaining > 0 and abs(attribution.venue) >= abs(remaining)
    return CloseOrder("sell" if remaining > 0 else "buy", abs(remaining), reducible)
