"""Ledger: chart of accounts and postings of account events. Postings of one event sum to zero per asset."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from market.domain.instruments import Kind
from market.domain.orders import AccountType, VenueFill, VenueFunding, VenueMovement

PLACES = Decimal(1).scaleb(-18)  # decimals stored in the database
_WIDE = Context(prec=60)
ZERO = Decimal(0)


class LedgerAccount(StrEnum):
    """Ledger accounts. The trader owns `AVAILABLE` + `RESERVED`.

    The others are the counter-accounts, with the opposite sign: all accounts sum to zero per asset.
    """

    AVAILABLE = "available"
    RESERVED = "reserved"  # reserved by open orders
    FEES = "fees"
    FUNDING = "funding"
    REALISED_PNL = "realised_pnl"  # realised PnL of perpetuals
    TRADE_CLEARING = "trade_clearing"  # counter-account of both legs of a spot trade
    TRANSFERS = "transfers"  # deposits, withdrawals, sends
    EXTERNAL = "external"  # opening balances, and residuals that were accepted


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount added to an account (above zero) or taken from it."""

    account_type: AccountType
    asset: str
    account: LedgerAccount
    amount: Decimal


def exact(amount: Decimal) -> Decimal:
    """Rounded to the decimals of the ledger."""
    return amount.quantize(PLACES, context=_WIDE)


def entries_for(
    account_type: AccountType, asset: str, amount: Decimal, to: LedgerAccount, source: LedgerAccount
) -> list[Posting]:
    """Two postings that move `amount` from `source` to `to`; a negative amount moves the other way."""
    rounded = exact(amount)
    return [Posting(account_type, asset, to, rounded), Posting(account_type, asset, source, -rounded)]


def reserve(account_type: AccountType, asset: str, amount: Decimal) -> list[Posting]:
    return entries_for(account_type, asset, amount, LedgerAccount.RESERVED, LedgerAccount.AVAILABLE)


def release(account_type: AccountType, asset: str, amount: Decimal) -> list[Posting]:
    return entries_for(account_type, asset, amount, LedgerAccount.AVAILABLE, LedgerAccount.RESERVED)


def fill(event: VenueFill, *, account_type: AccountType, kind: Kind, base: str, quote: str) -> list[Posting]:
    """Postings of a fill: realised PnL of a perpetual, or the exchange of two spot assets; and the fees."""
    fee = [
        posting
        for asset, amount in event.fees
        for posting in entries_for(account_type, asset, -amount, LedgerAccount.AVAILABLE, LedgerAccount.FEES)
    ]
    if kind == "perp":
        return merged(
            entries_for(
                account_type, quote, event.closed_pnl, LedgerAccount.AVAILABLE, LedgerAccount.REALISED_PNL
            )
            + fee
        )
    sign = 1 if event.side == "buy" else -1
    value = event.price * event.size
    received = entries_for(
        account_type, base, sign * event.size, LedgerAccount.AVAILABLE, LedgerAccount.TRADE_CLEARING
    )
    paid = entries_for(
        account_type, quote, -sign * value, LedgerAccount.AVAILABLE, LedgerAccount.TRADE_CLEARING
    )
    return merged(received + paid + fee)


def funding(event: VenueFunding, account_type: AccountType = "perp") -> list[Posting]:
    return merged(
        entries_for(account_type, event.asset, event.amount, LedgerAccount.AVAILABLE, LedgerAccount.FUNDING)
    )


def movement(event: VenueMovement, default: AccountType = "perp") -> list[Posting]:
    """Each leg against `TRANSFERS`; the fee is paid from the account type in which its asset moved, else `default`."""
    legs = [
        posting
        for account_type, asset, amount in event.legs
        for posting in entries_for(
            account_type, asset, amount, LedgerAccount.AVAILABLE, LedgerAccount.TRANSFERS
        )
    ]
    paid_from: AccountType = next(
        (account_type for account_type, asset, _ in event.legs if asset == event.fee_asset), default
    )
    return merged(
        legs
        + entries_for(paid_from, event.fee_asset, -event.fee, LedgerAccount.AVAILABLE, LedgerAccount.FEES)
    )


def opening(account_type: AccountType, asset: str, amount: Decimal) -> list[Posting]:
    return merged(entries_for(account_type, asset, amount, LedgerAccount.AVAILABLE, LedgerAccount.EXTERNAL))


def merged(postings: Iterable[Posting]) -> list[Posting]:
    """One posting per account, without zeros."""
    sums: dict[tuple[AccountType, str, LedgerAccount], Decimal] = defaultdict(Decimal)
    for posting in postings:
        key = posting.account_type, posting.asset, posting.account
        sums[key] = _WIDE.add(sums[key], posting.amount)  # 28 digits would round large sums
    return [Posting(*key, amount) for key, amount in sums.items() if amount]


def reservation_after(reserved: Decimal, remaining: Decimal, remaining_now: Decimal) -> Decimal:
    """The rest of a reservation when the remaining size falls from `remaining` to `remaining_now`."""
    if remaining <= 0 or remaining_now <= 0:
        return ZERO
    return (
        exact(_WIDE.divide(_WIDE.multiply(reserved, remaining_now), remaining))
        if remaining_now < remaining
        else reserved
    )
