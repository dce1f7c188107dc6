"""Vault for wallet keys: any process can seal, only the execution worker can unseal (docs/security.md)."""

from wallets.vault.errors import NoSealingKey, VaultLocked
from wallets.vault.keyfiles import KeyFiles, harden
from wallets.vault.seal import Sealed, newest_key, seal
from wallets.vault.unseal import KeySigner, Unsealer

__all__ = [
    "KeyFiles",
    "KeySigner",
    "NoSealingKey",
    "Sealed",
    "Unsealer",
    "VaultLocked",
    "harden",
    "newest_key",
    "seal",
]
