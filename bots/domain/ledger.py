"""Double-entry ledger of a bot on a shared wallet, built only from the venue's fills and funding.

The entries of one fill or payment sum to zero per asset.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from market.domain.events import Side
from wallets.domain.ledger import exact


class LedgerAccount(StrEnum):
    """Accounts of a bot's ledger: `POSITION` is what the bot holds, the others are its contra accounts."""

    POSITION = "position"
    TRADE_CLEARING = "trade_clearing"
    FEES = "fees"
    FUNDING = "funding"


@dataclass(frozen=True, slots=True)
class Entry:
    """Ledger entry: an amount of one asset on one account; entries of one `ref` sum to zero per asset."""

    ref: str
    account: LedgerAccount
    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class LedgerFill:
    """A fill of a bot's order. `ref` (venue order and trade) is unique. `fee` above zero is paid."""

    ref: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    time: int


@dataclass(frozen=True, slots=True)
class LedgerFunding:
    """The bot's share of a funding payment; above zero when received."""

    ref: str
    amount: Decimal
    time: int


def fill_entries(fill: LedgerFill, base: str, quote: str) -> tuple[Entry, ...]:
    """The entries of one fill: base and quote amounts, and the fee."""
    signed = fill.size if fill.side == "buy" else -fill.size
    paid = exact(signed * fill.price)  # rounded as it is stored: stored rows are compared with these entries
    return (
        Entry(fill.ref, LedgerAccount.POSITION, base, signed),
        Entry(fill.ref, LedgerAccount.TRADE_CLEARING, base, -signed),
        Entry(fill.ref, LedgerAccount.POSITION, quote, -paid),
        Entry(fill.ref, LedgerAccount.TRADE_CLEARING, quote, paid),
        Entry(fill.ref, LedgerAccount.POSITION, fill.fee_asset, -fill.fee),
        Entry(fill.ref, LedgerAccount.FEES, fill.fee_asset, fill.fee),
    )


def funding_entries(funding: LedgerFunding, quote: str) -> tuple[Entry, ...]:
    """The entries of one funding share."""
    return (
        Entry(funding.ref, LedgerAccount.POSITION, quote, funding.amount),
        Entry(funding.ref, LedgerAccount.FUNDING, quote, -funding.amount),
    )
