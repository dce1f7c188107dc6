"""Sealing of keys by the web process, which has public keys only and cannot unseal.

HPKE (RFC 9180, one shot). User, wallet and venue are bound into `info`: a row that is moved to another
wallet, user or venue cannot be unsealed there.
"""

from typing import Final, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from django.views.decorators.debug import sensitive_variables

from wallets.models import SealingKey
from wallets.vault.errors import NoSealingKey

NAME: Final = "hpke-x25519-hkdf-sha256-aes-256-gcm"
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Sealed(NamedTuple):
    """A sealed key with the id of its sealing key and the cipher suite."""

    kid: str
    suite: str
    sealed: bytes


def info(*, user_id: UUID, wallet_id: UUID, venue: str, suite: str) -> bytes:
    return f"v1|wallets_walletsecret|user:{user_id}|wallet:{wallet_id}|{venue}|{suite}".encode()


def newest_key() -> SealingKey:
    """The newest active sealing key. Raises `NoSealingKey`."""
    key = SealingKey.objects.filter(retired_at=None).order_by("-created_at", "-kid").first()
    if key is None:
        raise NoSealingKey
    return key


@sensitive_variables("secret")
def seal(secret: bytes, *, user_id: UUID, wallet_id: UUID, venue: str) -> Sealed:
    """Seal `secret` bound to user, wallet and venue. Raises `NoSealingKey`."""
    key = newest_key()
    public = X25519PublicKey.from_public_bytes(bytes(key.public))
    context = info(user_id=user_id, wallet_id=wallet_id, venue=venue, suite=NAME)
    return Sealed(key.kid, NAME, SUITE.encrypt(secret, public, info=context))
