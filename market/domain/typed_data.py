"""EIP-712: the digest of typed, structured data. Flat structs only; no keys and no curves here."""

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
    """Raises `ValueError`, `TypeError` or `OverflowError` for a value that is not of that type."""
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
    """Raises `KeyError` when a field is missing."""
    described = f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})"
    encoded = b"".join(_encoded(kind, values[field]) for field, kind in fields)
    return keccak(keccak(described.encode()) + encoded)


def domain_separator(name: str, chain_id: int) -> bytes:
    """Of version 1 and no contract, as Hyperliquid has it."""
    values = {"name": name, "version": "1", "chainId": chain_id, "verifyingContract": NO_CONTRACT}
    return struct_hash("EIP712Domain", _DOMAIN, values)


def digest(separator: bytes, struct: bytes) -> bytes:
    """What is signed."""
    return keccak(b"\x19\x01" + separator + struct)
