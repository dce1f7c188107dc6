"""Signing of Hyperliquid actions: canonical form, digests and signatures. No clock, no socket.

The venue hashes MessagePack, so the order of keys is part of the signature. Numbers are written as the
shortest decimal text; optional flags are absent when false. A wrong signature is not reported as such: it
recovers another address, which is unknown to the venue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgpack
from eth_hash.auto import keccak

from market.domain.events import Side
from market.domain.typed_data import digest, domain_separator, struct_hash

Tif = Literal["Gtc", "Ioc", "Alo"]
Grouping = Literal["na", "normalTpsl", "positionTpsl"]
Network = Literal["mainnet", "testnet"]
DECIMALS = 8
SOURCES: dict[Network, str] = {"mainnet": "a", "testnet": "b"}
CHAINS: dict[Network, str] = {"mainnet": "Mainnet", "testnet": "Testnet"}
_EXCHANGE = domain_separator("Exchange", 1337)
_AGENT = (("source", "string"), ("connectionId", "bytes32"))


@dataclass(frozen=True, slots=True)
class Trigger:
    """Trigger of a stop or take-profit order: it is activated when the mark price reaches `price`."""

    price: Decimal
    purpose: Literal["tp", "sl"]
    market: bool = True


@dataclass(frozen=True, slots=True)
class OrderWire:
    """An order in the venue's format. `tif` is ignored when there is a `trigger`."""

    asset: int
    side: Side
    price: Decimal
    size: Decimal
    tif: Tif = "Gtc"
    reduce_only: bool = False
    client_id: str | None = None  # 0x and 32 hexadecimal digits
    trigger: Trigger | None = None


# --- actions -----------------------------------------------------------------------------------
def decimal_wire(value: Decimal) -> str:
    """The number as shortest text. Raises `ValueError` for more than eight decimals."""
    if not value.is_finite() or value != round(value, DECIMALS):
        raise ValueError(f"{value} has more than {DECIMALS} decimals")
    text = f"{value.normalize():f}"
    return "0" if text == "-0" else text


def _kind(order: OrderWire) -> dict[str, Any]:
    if order.trigger is None:
        return {"limit": {"tif": order.tif}}
    trigger = order.trigger
    return {
        "trigger": {
            "isMarket": trigger.market,
            "triggerPx": decimal_wire(trigger.price),
            "tpsl": trigger.purpose,
        }
    }


def order_encode(order: OrderWire) -> dict[str, Any]:
    wire = {
        "a": order.asset,
        "b": order.side == "buy",
        "p": decimal_wire(order.price),
        "s": decimal_wire(order.size),
        "r": order.reduce_only,
        "t": _kind(order),
    }
    return wire | ({"c": order.client_id.lower()} if order.client_id else {})


def order_action(orders: Sequence[OrderWire], grouping: Grouping = "na") -> dict[str, Any]:
    return {"type": "order", "orders": [order_encode(order) for order in orders], "grouping": grouping}


def cancel_action(cancels: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """`cancels` are pairs of asset and the venue's order id."""
    return {"type": "cancel", "cancels": [{"a": asset, "o": oid} for asset, oid in cancels]}


def cancel_by_client_id_action(cancels: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """`cancels` are pairs of asset and client id."""
    rows = [{"asset": asset, "cloid": client_id.lower()} for asset, client_id in cancels]
    return {"type": "cancelByCloid", "cancels": rows}


def modify_action(modifies: Sequence[tuple[int | str, OrderWire]]) -> dict[str, Any]:
    """`modifies` are pairs of the current id (the venue's or the client's) and the new order."""
    rows = [{"oid": oid, "order": order_encode(order)} for oid, order in modifies]
    return {"type": "batchModify", "modifies": rows}


def leverage_action(asset: int, leverage: int, mode: Literal["cross", "isolated"]) -> dict[str, Any]:
    return {"type": "updateLeverage", "asset": asset, "isCross": mode == "cross", "leverage": leverage}


def schedule_cancel_action(time: int | None) -> dict[str, Any]:
    """Schedule a cancel of all orders at `time` (ms); None removes the schedule."""
    return {"type": "scheduleCancel"} | ({} if time is None else {"time": time})


def noop_action() -> dict[str, Any]:
    """Consume a nonce: an in-flight order with the same nonce can no longer be accepted."""
    return {"type": "noop"}


# --- digests -----------------------------------------------------------------------------------
def action_hash(
    action: dict[str, Any], nonce: int, *, vault: str | None = None, expires_after: int | None = None
) -> bytes:
    """The venue's `connectionId`."""
    data: bytes = msgpack.packb(action) + nonce.to_bytes(8, "big")
    data += b"\0" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_after is not None:
        data += b"\0" + expires_after.to_bytes(8, "big")
    return keccak(data)


def l1_digest(connection_id: bytes, network: Network) -> bytes:
    """Digest that agents and master accounts sign for trading actions."""
    values = {"source": SOURCES[network], "connectionId": connection_id}
    return digest(_EXCHANGE, struct_hash("Agent", _AGENT, values))


# --- signatures --------------------------------------------------------------------------------
def _private(key: bytes) -> Any:
    # Imported on first use: without the package only signing fails, with a clear error.
    from coincurve import PrivateKey

    return PrivateKey(key)


def address_of(key: bytes) -> str:
    """The address of a private key, in lower case."""
    public = _private(key).public_key.format(compressed=False)
    return "0x" + keccak(public[1:])[-20:].hex()


def sign(message: bytes, key: bytes) -> dict[str, Any]:
    """ECDSA signature (secp256k1) of `message`, a 32-byte digest."""
    signature = _private(key).sign_recoverable(message, hasher=None)
    r, s = (int.from_bytes(signature[start : start + 32], "big") for start in (0, 32))
    return {"r": hex(r), "s": hex(s), "v": 27 + signature[64]}


def envelope(
    action: dict[str, Any],
    nonce: int,
    signature: dict[str, Any],
    *,
    vault: str | None = None,
    expires_after: int | None = None,
) -> dict[str, Any]:
    """The body of `POST /exchange`."""
    return {
        "action": action,
        "nonce": nonce,
        "signature": signature,
        "vaultAddress": vault,
        "expiresAfter": expires_after,
    }
