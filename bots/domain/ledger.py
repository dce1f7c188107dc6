"""Ledger entries of a bot on a wallet that it shares: built from the venue's fills and funding only.

The entries of one fill or payment sum to zero per asset.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from market.domain.events import Side
from wallets.domain.ledger import exact


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


def fill_entries(fill: BotFill, base: str, quote: str) -> tuple[Entry, ...]:
    signed = fill.size if fill.side == "buy" else -fill.size
    paid = exact(signed * fill.price)  # as many decimals as are stored: rows are held against these
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
