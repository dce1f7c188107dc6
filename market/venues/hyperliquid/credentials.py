"""Hyperliquid credentials: an account address and the private key of an agent (API wallet) of that account.

Only an agent may trade here: it cannot withdraw. Source: the venue's pages "Nonces and API wallets" and "Signing".
"""

import re
import secrets
from collections.abc import Sequence

from market.domain.keys import KeyStatus, KeyVerdict, RegisteredKey
from market.domain.orders import Agent, KeyRole
from market.venues.hyperliquid.signing import address_of, sign

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")

MASTER_KEY = (
    "This is the account's own key: it can withdraw. Create an API wallet at the exchange and enter its key."
)
NOT_AN_AGENT = "This is the key of an account, which can withdraw. " + MASTER_KEY.partition(". ")[2]
OTHER_ACCOUNT_KEY = "This key trades for another account, {master}."
NOT_APPROVED = "The exchange does not know {signer} yet: approve it there as an API wallet of this account."
KEY_REVOKED = "The exchange no longer accepts this key: it expired or was replaced. Enter a new key."
KEY_EXPIRED = "This key has expired. Approve a new one at the exchange and enter it."


class HyperliquidCredentials:
    """The `market.venues.base.CredentialScheme` of Hyperliquid. A secret is a private key of 32 bytes."""

    can_generate = True

    def account_parse(self, text: str) -> str:
        """The address in lower case: upper and lower case mean the same account."""
        address = text.strip().lower()
        if not _ADDRESS.fullmatch(address):
            raise ValueError("Enter an address: 0x and 40 hexadecimal digits.")
        return address

    def secret_parse(self, text: str, account: str) -> bytes:
        found = _KEY.fullmatch(text.strip())
        key = bytes.fromhex(found[1]) if found else b""
        try:
            address = address_of(key)
        except ValueError:
            raise ValueError("Enter a key: 64 hexadecimal digits, with or without 0x.") from None
        if address == account:
            raise ValueError(MASTER_KEY)
        return key

    def secret_generate(self) -> bytes:
        return secrets.token_bytes(32)

    def key_id(self, secret: bytes) -> str:
        """The address of the agent, in lower case."""
        return address_of(secret)

    def sign(self, payload: bytes, secret: bytes) -> dict[str, object]:
        """The signature (r, s, v) of a digest of 32 bytes."""
        return sign(payload, secret)


def evaluate_key(key: RegisteredKey, role: KeyRole, agents: Sequence[Agent], now: int) -> KeyVerdict:
    """Judge a key by its role; `agents` are those listed for the account, which omits agents without a name."""
    # The events of a wallet that has traded are still applied: its key expires, it is not rejected.
    bad: KeyStatus = "expired" if key.proven else "rejected"
    if role.role == "missing":
        if key.proven:
            return KeyVerdict("expired", KEY_REVOKED)
        return KeyVerdict("waiting", NOT_APPROVED.format(signer=key.key_id))
    if role.role != "agent":
        return KeyVerdict(bad, MASTER_KEY if key.key_id == key.account else NOT_AN_AGENT, delete=True)
    if role.master != key.account:
        return KeyVerdict(bad, OTHER_ACCOUNT_KEY.format(master=short(role.master or "")), delete=True)
    listed = next((agent for agent in agents if agent.address == key.key_id), None)
    if listed is None:
        return KeyVerdict("active")
    if listed.valid_until is not None and listed.valid_until <= now:
        return KeyVerdict("expired", KEY_EXPIRED)
    return KeyVerdict("active", name=listed.name, expires_at=listed.valid_until)


def short(address: str) -> str:
    return f"{address[:6]}…{address[-4:]}"
