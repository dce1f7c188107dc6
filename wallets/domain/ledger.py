"""From events to entries. The entries of one event sum to zero per asset."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import StrEnum

from market.domain.orders import Pot, VenueFill, VenueFunding, VenueMovement

PLACES = Decimal(1).scaleb(-18)  # as the database keeps them
_WIDE = Context(prec=60)
ZERO = Decimal(0)


class Account(StrEnum):
    """Where an amount of one asset is. What belongs to the trader is `AVAILABLE` + `RESERVED`.

    The others are where it came from or went, with the opposite sign: all of them sum to zero per asset.
    """

    AVAILABLE = "available"
    RESERVED = "reserved"  # promised to open orders
    FEES = "fees"
    FUNDING = "funding"
    REALISED = "realised"  # closed profit of perpetuals
    TRADED = "traded"  # the other side of a spot trade: what was given for what was got
    TRANSFERS = "transfers"  # deposits, withdrawals, sends
    EXTERNAL = "external"  # what was there before us, and residuals that somebody accepted


@dataclass(frozen=True, slots=True)
class Posting:
    """An amount that comes to (above zero) or leaves an account."""

    pot: Pot
    asset: str
    account: Account
    amount: Decimal


def exact(amount: Decimal) -> Decimal:
    """As many decimals as the books have."""
    return amount.quantize(PLACES, context=_WIDE)


def move(pot: Pot, asset: str, amount: Decimal, to: Account, source: Account) -> list[Posting]:
    """`amount` goes from `source` to `to`; below zero it goes the other way."""
    rounded = exact(amount)
    return [Posting(pot, asset, to, rounded), Posting(pot, asset, source, -rounded)]


def reserve(pot: Pot, asset: str, amount: Decimal) -> list[Posting]:
    return move(pot, asset, amount, Account.RESERVED, Account.AVAILABLE)


def release(pot: Pot, asset: str, amount: Decimal) -> list[Posting]:
    return move(pot, asset, amount, Account.AVAILABLE, Account.RESERVED)


def fill(fact: VenueFill, *, pot: Pot, base: str, quote: str) -> list[Posting]:
    """Perpetuals realise their closed profit; spot gives one asset for the other. The fee has its own."""
    fee = move(pot, fact.fee_asset, -fact.fee, Account.AVAILABLE, Account.FEES)
    if pot == "perp":
        return merged(move(pot, quote, fact.closed_pnl, Account.AVAILABLE, Account.REALISED) + fee)
    sign = 1 if fact.side == "buy" else -1
    value = fact.price * fact.size
    got = move(pot, base, sign * fact.size, Account.AVAILABLE, Account.TRADED)
    gave = move(pot, quote, -sign * value, Account.AVAILABLE, Account.TRADED)
    return merged(got + gave + fee)


def funding(fact: VenueFunding) -> list[Posting]:
    return merged(move("perp", fact.asset, fact.amount, Account.AVAILABLE, Account.FUNDING))


def movement(fact: VenueMovement) -> list[Posting]:
    """Each leg against the world outside; the fee is paid from the pot that the fee's asset moved in."""
    legs = [
        posting
        for pot, asset, amount in fact.legs
        for posting in move(pot, asset, amount, Account.AVAILABLE, Account.TRANSFERS)
    ]
    paid_from: Pot = next((pot for pot, asset, _ in fact.legs if asset == fact.fee_asset), "perp")
    return merged(legs + move(paid_from, fact.fee_asset, -fact.fee, Account.AVAILABLE, Account.FEES))


def opening(pot: Pot, asset: str, amount: Decimal) -> list[Posting]:
    return merged(move(pot, asset, amount, Account.AVAILABLE, Account.EXTERNAL))


def merged(postings: Iterable[Posting]) -> list[Posting]:
    """One posting per account, without zeros."""
    sums: dict[tuple[Pot, str, Account], Decimal] = defaultdict(Decimal)
    for posting in postings:
        key = posting.pot, posting.asset, posting.account
        sums[key] = _WIDE.add(sums[key], posting.amount)  # 28 digits would round large sums
    return [Posting(*key, amount) for key, amount in sums.items() if amount]


def held_after(held: Decimal, left: Decimal, left_now: Decimal) -> Decimal:
    """What an order still holds back when `left` of its size has become `left_now`."""
    if left <= 0 or left_now <= 0:
        return ZERO
    return exact(_WIDE.divide(_WIDE.multiply(held, left_now), left)) if left_now < left else held
