"""Keys of wallets: sealed by whoever is given one, opened by `execution` alone (docs/security.md)."""

from wallets.vault.errors import NoSealingKey, VaultLocked
from wallets.vault.keyfiles import KeyFiles
from wallets.vault.opening import KeySigner, Opener
from wallets.vault.process import harden
from wallets.vault.sealing import Sealed, key_parse, newest_key, seal

__all__ = [
    "KeyFiles",
    "KeySigner",
    "NoSealingKey",
    "Opener",
    "Sealed",
    "VaultLocked",
    "harden",
    "key_parse",
    "newest_key",
    "seal",
]
