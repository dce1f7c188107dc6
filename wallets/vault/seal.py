"""Sealing: what the web does with a key. It holds public halves only, and cannot undo it.

HPKE (RFC 9180, one shot). Whose key it is goes into `info`: a row that is moved to another wallet,
user or venue does not open there, whoever moved it.
"""

import re
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.views.decorators.debug import sensitive_variables

from market.venues.hyperliquid.signing import address_of
from wallets.models import SealingKey
from wallets.vault.errors import NoSealingKey

NAME: Final = "hpke-x25519-hkdf-sha256-aes-256-gcm"
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


class Sealed(NamedTuple):
    """A sealed key and what is needed to find its opener."""

    kid: str
    suite: str
    sealed: bytes


def info(*, user_id: Any, wallet_id: Any, venue: str, suite: str) -> bytes:
    return f"v1|wallets_walletsecret|user:{user_id}|wallet:{wallet_id}|{venue}|{suite}".encode()


def newest_key() -> SealingKey:
    """The key that seals now. Raises `NoSealingKey`."""
    key = SealingKey.objects.filter(retired_at=None).order_by("-created_at", "-kid").first()
    if key is None:
        raise NoSealingKey
    return key


@sensitive_variables("secret")
def seal(secret: bytes, *, user_id: Any, wallet_id: Any, venue: str) -> Sealed:
    """`secret` for this wallet of this user at this venue alone. Raises `NoSealingKey`."""
    key = newest_key()
    public = X25519PublicKey.from_public_bytes(bytes(key.public))
    context = info(user_id=user_id, wallet_id=wallet_id, venue=venue, suite=NAME)
    return Sealed(key.kid, NAME, SUITE.encrypt(secret, public, info=context))


@sensitive_variables("text", "found", "key")
def key_parse(text: str) -> bytes:
    """A key as people paste it. Raises `ValueError`, which repeats none of it."""
    found = _KEY.fullmatch(text.strip())
    key = bytes.fromhex(found[1]) if found else b""
    try:
        address_of(key)
    except ValueError:
        raise ValueError("A key is 64 hexadecimal digits, with or without 0x in front.") from None
    return key
