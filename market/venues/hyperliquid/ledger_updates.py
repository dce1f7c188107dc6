"""Decoder of `userNonFundingLedgerUpdates`: transfers without a trade as domain events. Pure.

A row names sender and receiver; only the legs of the queried account are returned. Kinds with an unknown
effect on balances are a `ParseError`: a guess would record wrong amounts in the ledger.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson

from market.domain.errors import ParseError
from market.domain.orders import AccountType, VenueMovement
from market.venues.hyperliquid.instruments import COLLATERAL
from market.venues.hyperliquid.parsing import JsonObject, address, amount, name, quantity, time_of
from market.venues.rows import Rows, rows_decode

Leg = tuple[AccountType, str, Decimal]
Effect = tuple[list[Leg], Decimal]  # legs, and the fee in `feeToken`
Reader = Callable[[Any, str], Effect]
NO_FEE = Decimal(0)
_DEX_ACCOUNTS: dict[str, AccountType] = {"": "perp", "spot": "spot"}
_REF_DIGITS = 24


def movements_read(rows: object, account: str) -> Rows[VenueMovement]:
    """Movements of the account in the order of the rows."""
    duplicates: Counter[str] = Counter()
    return rows_decode(rows, lambda row: _movement(row, account.lower(), duplicates))


def _movement(row: JsonObject, account: str, duplicates: Counter[str]) -> VenueMovement:
    delta, time = row["delta"], time_of(row["time"])
    kind = name(delta["type"])
    read = _READERS.get(kind)
    if read is None:
        raise ParseError(f"ledger update of unknown kind {kind!r}", row)
    legs, fee = read(delta, account)
    return VenueMovement(
        ref=_ref(row, kind, duplicates),
        kind=kind,
        legs=tuple(leg for leg in legs if leg[2]),
        fee=fee,
        fee_asset=delta.get("feeToken") or COLLATERAL,
        time=time,
    )


def _ref(row: JsonObject, kind: str, duplicates: Counter[str]) -> str:
    """Stable id of a row: rows have none, so it is a digest of the content plus a counter of duplicates."""
    content = orjson.dumps([row["hash"], row["delta"]], option=orjson.OPT_SORT_KEYS)
    ref = f"{row['time']}:{kind}:{sha256(content).hexdigest()[:_REF_DIGITS]}"
    duplicates[ref] += 1
    return f"{ref}:{duplicates[ref] - 1}"


# --- kinds -------------------------------------------------------------------------------------
def _deposit(delta: JsonObject, account: str) -> Effect:
    return [("perp", COLLATERAL, quantity(delta["usdc"]))], NO_FEE


def _withdraw(delta: JsonObject, account: str) -> Effect:
    """Decode a withdrawal: `usdc` is the withdrawn amount, the fee is charged on top."""
    return [("perp", COLLATERAL, -quantity(delta["usdc"]))], quantity(delta.get("fee", "0"))


def _select_legs(delta: JsonObject, account: str, debit: Leg, credit: Leg) -> list[Leg]:
    """The legs of `account`: `debit` for the sender, `credit` for the receiver, both when it is both."""
    sender, receiver = address(delta["user"]), address(delta["destination"])
    if account not in (sender, receiver):
        raise ParseError("ledger update of other accounts", delta)
    return [leg for leg, party in ((debit, sender), (credit, receiver)) if party == account]


def _usd(delta: JsonObject, account: str) -> Effect:
    """Decode a USDC transfer: `usdc` is the debit of the sender, including the account creation fee."""
    fee = quantity(delta.get("fee", "0"))
    moved = quantity(delta["usdc"]) - fee
    legs = _select_legs(delta, account, ("perp", COLLATERAL, -moved), ("perp", COLLATERAL, moved))
    return legs, fee if account == address(delta["user"]) else NO_FEE


def _class(delta: JsonObject, account: str) -> Effect:
    moved = quantity(delta["usdc"])
    if delta["toPerp"] is not True:
        moved = -moved
    return [("spot", COLLATERAL, -moved), ("perp", COLLATERAL, moved)], NO_FEE


def _token(delta: JsonObject, account: str, source: str = "spot", target: str = "spot") -> Effect:
    """Decode a token transfer. Other dexes are not tracked: only the debit is recorded then.

    A native fee is paid in the token.
    """
    token, moved = name(delta["token"]), quantity(delta["amount"])
    native = quantity(delta.get("nativeTokenFee") or "0")
    is_sender = address(delta["user"]) == account
    legs = []
    for dex, leg in ((source, -moved), (target, moved)):
        is_own = address(delta["user" if leg < 0 else "destination"]) == account
        if is_own and dex in _DEX_ACCOUNTS:
            legs.append((_DEX_ACCOUNTS[dex], token, leg))
    if is_sender and native and source in _DEX_ACCOUNTS:
        legs.append((_DEX_ACCOUNTS[source], token, -native))
    _select_legs(
        delta, account, (_DEX_ACCOUNTS["spot"], token, -moved), (_DEX_ACCOUNTS["spot"], token, moved)
    )
    return legs, quantity(delta.get("fee") or "0") if is_sender else NO_FEE


def _send(delta: JsonObject, account: str) -> Effect:
    return _token(delta, account, _text(delta["sourceDex"]), _text(delta["destinationDex"]))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ParseError("not a string", value)


def _liquidation(delta: JsonObject, account: str) -> Effect:
    """A liquidation notice without legs: its fills change the balances."""
    return [], NO_FEE


def _vault_out(delta: JsonObject, account: str) -> Effect:
    return [("perp", COLLATERAL, -quantity(delta["usdc"]))], quantity(delta.get("fee") or "0")


def _vault_in(delta: JsonObject, account: str) -> Effect:
    return [("perp", COLLATERAL, quantity(delta["usdc"]))], NO_FEE


def _vault_withdraw(delta: JsonObject, account: str) -> Effect:
    return [("perp", COLLATERAL, amount(delta["netWithdrawnUsd"]))], NO_FEE


def _genesis(delta: JsonObject, account: str) -> Effect:
    return [("spot", name(delta["token"]), amount(delta["amount"]))], NO_FEE


_READERS: Mapping[str, Reader] = {
    "deposit": _deposit,
    "withdraw": _withdraw,
    "internalTransfer": _usd,
    "subAccountTransfer": _usd,
    "accountClassTransfer": _class,
    "spotTransfer": _token,
    "send": _send,
    "liquidation": _liquidation,
    "vaultCreate": _vault_out,
    "vaultDeposit": _vault_out,
    "vaultDistribution": _vault_in,
    "vaultLeaderCommission": _vault_in,
    "vaultWithdraw": _vault_withdraw,
    "spotGenesis": _genesis,
}
KINDS: Sequence[str] = tuple(_READERS)
