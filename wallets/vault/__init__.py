"""Keys of wallets: sealed by whoever is given one, opened by `execution` alone (docs/security.md)."""

from wallets.vault.errors import NoSealingKey, VaultLocked
from wallets.vault.keyfiles import KeyFiles
from wallets.vault.process_hardening import harden
from wallets.vault.seal import Sealed, key_parse, newest_key, seal
from wallets.vault.unseal import KeySigner, Opener

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
