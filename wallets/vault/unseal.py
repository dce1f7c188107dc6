"""Unsealing of keys by the execution worker, the only process that can read the private sealing keys."""

from pathlib import Path
from typing import NoReturn, SupportsIndex, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from market.venues import venue_adapter
from market.venues.base import CredentialScheme
from wallets.models import SealingKey, Wallet, WalletSecret
from wallets.vault.errors import VaultLocked
from wallets.vault.keyfiles import KeyFiles
from wallets.vault.seal import NAME, SUITE, Sealed, info, newest_key, seal


@final
class KeySigner:
    """Signs with a key that it never reveals: it cannot be printed, pickled, copied or compared."""

    __slots__ = ("__scheme", "__secret", "key_id")

    def __init__(self, secret: bytes, scheme: CredentialScheme) -> None:
        self.__secret, self.__scheme = secret, scheme
        self.key_id = scheme.key_id(secret)

    @sensitive_variables()
    def sign(self, payload: bytes) -> dict[str, object]:
        """As `market.venues.base.Signer.sign`."""
        return self.__scheme.sign(payload, self.__secret)

    def __repr__(self) -> str:
        return f"<signer {self.key_id}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a signer cannot leave its process")


class Unsealer:
    """Unseals keys from the database at each use, so that a deleted or replaced key is effective at once.

    Reads rows and files: call it from a thread. Raises `VaultLocked`.
    """

    def __init__(self, folder: Path) -> None:
        self._files = KeyFiles(folder)

    def __repr__(self) -> str:
        return "<opener>"

    def check(self) -> None:
        """Check that the file of every used sealing key is present and matches its public key."""
        used = WalletSecret.objects.order_by("key_id").values_list("key_id", flat=True).distinct()
        for key in SealingKey.objects.filter(pk__in=used):
            self._private(key)

    def signer(self, wallet: Wallet) -> KeySigner:
        if settings.DEBUG and not wallet.venue.simulated:
            raise VaultLocked(
                "DEBUG is on: keys of real exchanges stay locked, because its error pages show too much"
            )
        row = WalletSecret.objects.select_related("key").filter(pk=wallet.pk).first()
        if row is None:
            raise VaultLocked("this wallet has no key")
        signer = KeySigner(self._open(row, wallet), venue_adapter(wallet.venue_id).credentials)
        if wallet.signer_address and signer.key_id != wallet.signer_address:
            raise VaultLocked("the sealed key does not match the wallet's signer address")
        return signer

    @sensitive_variables()
    def resealed(self, row: WalletSecret, wallet: Wallet) -> Sealed:
        """The same key, sealed with the newest sealing key."""
        return self.sealed(self._open(row, wallet), wallet)

    @sensitive_variables()
    def sealed(self, key: bytes, wallet: Wallet) -> Sealed:
        """As `seal`, after checking that the private key file matches: protects against an injected public key."""
        self._private(newest_key())
        return seal(key, user_id=wallet.user_id, wallet_id=wallet.pk, venue=wallet.venue_id)

    @sensitive_variables()
    def _open(self, row: WalletSecret, wallet: Wallet) -> bytes:
        if row.suite != NAME:
            raise VaultLocked(f"sealed with {row.suite}, which this version cannot open")
        private = self._private(row.key)
        context = info(user_id=wallet.user_id, wallet_id=wallet.pk, venue=wallet.venue_id, suite=row.suite)
        try:
            return SUITE.decrypt(bytes(row.sealed), private, info=context)
        except InvalidTag:
            message = "the sealed key was changed or belongs to another wallet; it has to be entered again"
            raise VaultLocked(message) from None

    def _private(self, key: SealingKey) -> X25519PrivateKey:
        private = self._files.read(key.kid)
        if private.public_key().public_bytes_raw() != bytes(key.public):
            raise VaultLocked(f"the file of kid {key.kid} does not match its public key")
        return private
