"""EIP-712: digest of typed structured data. Supports flat structs only; contains no key handling."""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_hash.auto import keccak

Field = tuple[str, str]  # name, Solidity type
NO_CONTRACT = "0x" + "0" * 40
_DOMAIN: tuple[Field, ...] = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


def _encoded(kind: str, value: Any) -> bytes:
    """ABI encoding of one value. Raises `ValueError`, `TypeError` or `OverflowError` for a wrong type."""
    if kind == "string":
        return keccak(str(value).encode())
    if kind == "bool":
        return int(bool(value)).to_bytes(32, "big")
    if kind == "address":
        return bytes.fromhex(str(value).removeprefix("0x")).rjust(32, b"\0")
    if kind == "bytes32":
        return bytes(value)
    return int(value).to_bytes(32, "big")


def struct_hash(name: str, fields: Sequence[Field], values: Mapping[str, Any]) -> bytes:
    """EIP-712 `hashStruct` of a flat struct. Raises `KeyError` when a field is missing."""
    signature = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    encoded = b"".join(_encoded(kind, values[field]) for field, kind in fields)
    return keccak(keccak(signature.encode()) + encoded)


def domain_separator(name: str, chain_id: int) -> bytes:
    """EIP-712 domain separator of version 1 without a contract, as Hyperliquid uses it."""
    values = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": NO_CONTRACT}
    return struct_hash("EIP712Domain", _DOMAIN, values)


def digest(separator: bytes, struct: bytes) -> bytes:
    """The 32-byte EIP-712 digest to sign."""
    return keccak(b"\x19\x01" + separator + struct)
