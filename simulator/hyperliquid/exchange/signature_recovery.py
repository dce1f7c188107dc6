"""Signature recovery: the signer's address of an action, computed as the venue does it.

The venue rebuilds typed structures before it hashes, so the order of keys in the JSON has no effect,
and a client that hashed the keys in another order recovers to an unknown address.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgpack
from coincurve import PublicKey
from eth_hash.auto import keccak

from market.domain.typed_data import Field, digest, domain_separator, struct_hash
from simulator.hyperliquid.exchange.errors import NO_SIGNER, Refused, Unprocessable

SOURCES = ("b", "a")  # the SDK signs "b" for every URL but mainnet's, ccxt signs "a"
_EXCHANGE = domain_separator("Exchange", 1337)
_AGENT: tuple[Field, ...] = (("source", "string"), ("connectionId", "bytes32"))
_CHAIN: Field = ("hyperliquidChain", "string")
_SEND: tuple[Field, ...] = (_CHAIN, ("destination", "string"), ("amount", "string"), ("time", "uint64"))


class UserSigned(NamedTuple):
    """Action type that only the master account may sign, and the field that repeats the nonce."""

    name: str
    fields: tuple[Field, ...]
    nonce: str = "nonce"


def _user_signed(name: str, *fields: str) -> UserSigned:
    """Build a `UserSigned`. Fields are written `name type`; the default type is string."""
    pairs = [(name, kind or "string") for name, _, kind in (field.partition(" ") for field in fields)]
    return UserSigned(name, (_CHAIN, *pairs, ("nonce", "uint64")))


USER_SIGNED: dict[str, UserSigned] = {
    "usdSend": UserSigned("UsdSend", _SEND, "time"),
    "withdraw3": UserSigned("Withdraw", _SEND, "time"),
    "spotSend": UserSigned("SpotSend", (*_SEND[:2], ("token", "string"), *_SEND[2:]), "time"),
    "usdClassTransfer": _user_signed("UsdClassTransfer", "amount", "toPerp bool"),
    "sendAsset": _user_signed(
        "SendAsset", "destination", "sourceDex", "destinationDex", "token", "amount", "fromSubAccount"
    ),
    "approveAgent": _user_signed("ApproveAgent", "agentAddress address", "agentName"),
    "approveBuilderFee": _user_signed("ApproveBuilderFee", "maxFeeRate", "builder address"),
    "tokenDelegate": _user_signed("TokenDelegate", "validator address", "wei uint64", "isUndelegate bool"),
    "userSetAbstraction": _user_signed("UserSetAbstraction", "user address", "abstraction"),
}

# Canonical key order of every hashed structure; other structures keep the received order.
_ORDER = ("a", "b", "p", "s", "r", "t", "c")
_KEYS: dict[str, tuple[str, ...]] = {
    "order": ("type", "orders", "grouping", "builder"),
    "cancel": ("type", "cancels", "f"),
    "cancelByCloid": ("type", "cancels", "f"),
    "modify": ("type", "oid", "order", "a"),
    "batchModify": ("type", "modifies", "a"),
    "updateLeverage": ("type", "asset", "isCross", "leverage"),
    "updateIsolatedMargin": ("type", "asset", "isBuy", "ntli"),
    "scheduleCancel": ("type", "time"),
    "twapOrder": ("type", "twap", "details"),
    "twapCancel": ("type", "a", "t"),
    "orders": _ORDER,
    "order.order": _ORDER,
    "cancels": ("a", "o", "asset", "cloid"),
    "modifies": ("oid", "order"),
    "t.trigger": ("isMarket", "triggerPx", "tpsl"),
    "twap": ("a", "b", "s", "r", "m", "t"),
    "builder": ("b", "f"),
}
_DECIMALS = {"p", "s", "triggerPx"}
_LOWER = {"c", "cloid"}


def _text(key: str, value: str) -> str:
    if key in _LOWER:
        return value.lower()
    if key in _DECIMALS and "." in value:
        return value.rstrip("0").rstrip(".")
    return value


def _canonical(value: Any, place: str, key: str = "") -> Any:
    if isinstance(value, list):
        return [_canonical(item, place, key) for item in value]
    if isinstance(value, str):
        return _text(key, value)
    if not isinstance(value, dict):
        return value
    ordered = [name for name in _KEYS.get(place, ()) if name in value]
    names = ordered + [name for name in value if name not in ordered]
    return {name: _canonical(value[name], _place(place, name), name) for name in names}


def _place(parent: str, name: str) -> str:
    if name == "order":
        return "order.order"
    return "t.trigger" if name == "trigger" else name


def canonical(action: dict[str, Any]) -> dict[str, Any]:
    """The action in canonical form: key order and number format of the venue's own types."""
    return dict(_canonical(action, str(action.get("type"))))


def _connection_id(action: dict[str, Any], nonce: int, vault: str | None, expires: int | None) -> bytes:
    data: bytes = msgpack.packb(canonical(action)) + nonce.to_bytes(8, "big")
    data += b"\0" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    return keccak(data + (b"" if expires is None else b"\0" + expires.to_bytes(8, "big")))


def _address(message: bytes, signature: bytes) -> str:
    try:
        public = PublicKey.from_signature_and_message(signature, message, hasher=None)
    except Exception as problem:  # the library raises bare Exception
        raise Refused(NO_SIGNER) from problem
    return "0x" + keccak(public.format(compressed=False)[1:])[-20:].hex()


def signature_parse(data: Any) -> bytes:
    """Signature in 65 bytes. r and s are parsed as numbers, because clients omit leading zeros."""
    if not isinstance(data, Mapping):
        raise Unprocessable
    try:
        r, s, v = (int(data["r"], 16), int(data["s"], 16), int(data["v"]))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v - 27 if v >= 27 else v])
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise Unprocessable from problem


def l1_signers(
    action: dict[str, Any], nonce: int, signature: bytes, *, vault: str | None, expires_after: int | None
) -> Iterator[str]:
    """The recovered address for each possible network; callers stop at the first known address."""
    connection_id = _connection_id(action, nonce, vault, expires_after)
    for source in SOURCES:
        struct = struct_hash("Agent", _AGENT, {"source": source, "connectionId": connection_id})
        yield _address(digest(_EXCHANGE, struct), signature)


def user_signer(action: dict[str, Any], kind: UserSigned, signature: bytes) -> str:
    """The signer of a user-signed action. Raises `Unprocessable` for missing fields."""
    values = {"agentName": "", **action}  # an unnamed agent is signed with "" but sent without the field
    try:
        separator = domain_separator("HyperliquidSignTransaction", int(action["signatureChainId"], 16))
        struct = struct_hash(f"HyperliquidTransaction:{kind.name}", kind.fields, values)
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise Unprocessable from problem
    return _address(digest(separator, struct), signature)
