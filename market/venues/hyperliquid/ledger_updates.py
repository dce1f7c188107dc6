"""Money that moves without a trade: rows of `userNonFundingLedgerUpdates` as domain facts. Pure.

A row says who gave and who received; the legs are those of the account that asks. Kinds whose effect
on balances is not known to us are `ParseError`: a guess would put wrong money into a ledger.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

import orjson

from market.domain.errors import ParseError
from market.domain.orders import Pot, VenueMovement
from market.venues.hyperliquid.codec import guarded
from market.venues.hyperliquid.instruments import COLLATERAL
from market.venues.hyperliquid.parsing import address, amount, name, quantity, time_of

Leg = tuple[Pot, str, Decimal]
Effect = tuple[list[Leg], Decimal]  # legs, and the fee in `feeToken`
Reader = Callable[[Any, str], Effect]
NOTHING = Decimal(0)
_POTS: dict[str, Pot] = {"": "perp", "spot": "spot"}
_DIGEST = 24


def movements_read(rows: Any, account: str) -> tuple[list[VenueMovement], list[ParseError]]:
    """The movements of that account, in the order of the rows, and what is wrong with those left out."""
    if not isinstance(rows, list):
        raise ParseError("not a list", rows)
    good: list[VenueMovement] = []
    bad: list[ParseError] = []
    alike: Counter[str] = Counter()
    for row in rows:
        try:
            good.append(guarded(lambda row=row: _movement(row, account.lower(), alike), row))  # type: ignore[misc]
        except ParseError as problem:
            bad.append(problem)
    return good, bad


def _movement(row: Any, account: str, alike: Counter[str]) -> VenueMovement:
    delta, time = row["delta"], time_of(row["time"])
    kind = name(delta["type"])
    read = _READERS.get(kind)
    if read is None:
        raise ParseError(f"a movement of unknown kind {kind!r}", row)
    legs, fee = read(delta, account)
    return VenueMovement(
        ref=_ref(row, kind, alike),
        kind=kind,
        legs=tuple(leg for leg in legs if leg[2]),
        fee=fee,
        fee_asset=delta.get("feeToken") or COLLATERAL,
        time=time,
    )


def _ref(row: Any, kind: str, alike: Counter[str]) -> str:
    """Rows have no id. Content makes one; rows alike in everything are counted from zero."""
    content = orjson.dumps([row["hash"], row["delta"]], option=orjson.OPT_SORT_KEYS)
    ref = f"{row['time']}:{kind}:{sha256(content).hexdigest()[:_DIGEST]}"
    alike[ref] += 1
    return f"{ref}:{alike[ref] - 1}"


# --- kinds -------------------------------------------------------------------------------------
def _deposit(delta: Any, account: str) -> Effect:
    return [("perp", COLLATERAL, quantity(delta["usdc"]))], NOTHING


def _withdraw(delta: Any, account: str) -> Effect:
    """`usdc` is what left, the fee came on top."""
    return [("perp", COLLATERAL, -quantity(delta["usdc"]))], quantity(delta.get("fee", "0"))


def _between(delta: Any, account: str, out: Leg, into: Leg) -> list[Leg]:
    """`out` for the giver, `into` for the receiver; both for whoever is both."""
    giver, receiver = address(delta["user"]), address(delta["destination"])
    if account not in (giver, receiver):
        raise ParseError("a movement between others", delta)
    return [leg for leg, party in ((out, giver), (into, receiver)) if party == account]


def _usd(delta: Any, account: str) -> Effect:
    """`usdc` is what the giver loses, the fee for opening the receiver's account included."""
    fee = quantity(delta.get("fee", "0"))
    moved = quantity(delta["usdc"]) - fee
    legs = _between(delta, account, ("perp", COLLATERAL, -moved), ("perp", COLLATERAL, moved))
    return legs, fee if account == address(delta["user"]) else NOTHING


def _class(delta: Any, account: str) -> Effect:
    moved = quantity(delta["usdc"])
    if delta["toPerp"] is not True:
        moved = -moved
    return [("spot", COLLATERAL, -moved), ("perp", COLLATERAL, moved)], NOTHING


def _token(delta: Any, account: str, source: str = "spot", target: str = "spot") -> Effect:
    """Other dexs are no pots of ours: what goes there is gone. A native fee is paid in the token."""
    token, moved = name(delta["token"]), quantity(delta["amount"])
    native = quantity(delta.get("nativeTokenFee") or "0")
    sent = address(delta["user"]) == account
    legs = []
    for dex, leg in ((source, -moved), (target, moved)):
        mine = address(delta["user" if leg < 0 else "destination"]) == account
        if mine and dex in _POTS:
            legs.append((_POTS[dex], token, leg))
    if sent and native and source in _POTS:
        legs.append((_POTS[source], token, -native))
    _between(delta, account, (_POTS["spot"], token, -moved), (_POTS["spot"], token, moved))
    return legs, quantity(delta.get("fee") or "0") if sent else NOTHING


def _send(delta: Any, account: str) -> Effect:
    return _token(delta, account, _text(delta["sourceDex"]), _text(delta["destinationDex"]))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ParseError("not a text", value)


def _liquidation(delta: Any, account: str) -> Effect:
    """Only the announcement: the money moves with its fills."""
    return [], NOTHING


def _vault_out(delta: Any, account: str) -> Effect:
    return [("perp", COLLATERAL, -quantity(delta["usdc"]))], quantity(delta.get("fee") or "0")


def _vault_in(delta: Any, account: str) -> Effect:
    return [("perp", COLLATERAL, quantity(delta["usdc"]))], NOTHING


def _vault_withdraw(delta: Any, account: str) -> Effect:
    return [("perp", COLLATERAL, amount(delta["netWithdrawnUsd"]))], NOTHING


def _genesis(delta: Any, account: str) -> Effect:
    return [("spot", name(delta["token"]), amount(delta["amount"]))], NOTHING


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
