"""Sealing keys: create, rotate, reseal and retire. Used by `manage.py sealing_keys` where the key files are."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from accounts.audit import AuditAction, record
from wallets.models import SealingKey, Wallet, WalletSecret
from wallets.vault import KeyFiles, Unsealer, newest_key

BATCH = 200


class KeysRefused(Exception):
    """The operation would lose keys of users; the message says which and what to do."""


@dataclass(frozen=True)
class KeyState:
    """One sealing key: the number of rows it seals, and whether its private key file is present."""

    kid: str
    created_at: datetime
    retired_at: datetime | None
    rows: int
    present: bool


def sealing_keys_list(*, folder: Path) -> list[KeyState]:
    """All sealing keys, newest first."""
    files = KeyFiles(folder)
    used = dict(WalletSecret.objects.values_list("key_id").annotate(Count("pk")).order_by())
    return [
        KeyState(key.kid, key.created_at, key.retired_at, used.get(key.kid, 0), files.exists(key.kid))
        for key in SealingKey.objects.order_by("-created_at", "-kid")
    ]


def sealing_keys_init(*, folder: Path) -> SealingKey | None:
    """Create the first sealing key. None if a key and its file exist. Raises `KeysRefused`, `VaultLocked`.

    When files of used keys are missing, no new key is created: the vault would only seem to work.
    """
    states = [state for state in sealing_keys_list(folder=folder) if not state.retired_at or state.rows]
    for state in states:
        if not state.present:
            sealed = "; users must enter keys again" if state.rows else ""
            raise KeysRefused(f"sealed for kid {state.kid}, key not present{sealed}")
    return None if states else sealing_key_create(folder=folder)


@transaction.atomic
def sealing_key_create(*, folder: Path) -> SealingKey:
    """Create a sealing key, which seals from now on. Raises `VaultLocked`."""
    private = X25519PrivateKey.generate()
    kid = f"{timezone.now():%Y%m%d}-{secrets.token_hex(4)}"
    # The file first: secrets sealed to a row without a file could never be unsealed.
    KeyFiles(folder).write(kid, private)
    key = SealingKey.objects.create(kid=kid, public=private.public_key().public_bytes_raw())
    record(action=AuditAction.SEALING_KEY_CREATED, actor=None, subject=f"sealing_key:{kid}")
    return key


def secrets_reseal(*, folder: Path, batch: int = BATCH) -> int:
    """Reseal all secrets with the newest key. Returns the number of changed rows. Raises `VaultLocked`.

    Works in batches, so that it can be stopped and restarted; locked rows wait for the next batch.
    """
    return sum(_reseal_batches(Unsealer(folder), batch))


def secrets_on_old_keys() -> int:
    """The number of rows not sealed with the newest key. Raises `NoSealingKey`."""
    return WalletSecret.objects.exclude(key=newest_key()).count()


def secrets_check(*, folder: Path) -> int:
    """Unseal every secret. Returns their number. Raises `VaultLocked` when one cannot be unsealed."""
    unsealer = Unsealer(folder)
    unsealer.check()
    sealed = Wallet.objects.filter(pk__in=WalletSecret.objects.values("pk"))
    for wallet in sealed.iterator():
        unsealer.signer(wallet)
    return sealed.count()


def _reseal_batches(unsealer: Unsealer, batch: int) -> Iterator[int]:
    while True:
        with transaction.atomic():
            newest = newest_key()
            rows = (
                WalletSecret.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
                .exclude(key=newest)
                .select_related("key")
                .order_by("pk")[:batch]
            )
            for row in rows:
                _reseal(unsealer, row)
        if not rows:
            return
        yield len(rows)


def _reseal(unsealer: Unsealer, row: WalletSecret) -> None:
    kid, _, row.sealed = unsealer.resealed(row, Wallet.objects.get(pk=row.pk))
    row.key_id = kid
    row.save(update_fields=["sealed", "key"])


@transaction.atomic
def sealing_key_retire(*, kid: str, folder: Path) -> None:
    """Retire a key that seals nothing, and delete its file. Raises `KeysRefused`."""
    key = SealingKey.objects.select_for_update(no_key=True).filter(pk=kid).first()
    if key is None:
        raise KeysRefused(f"there is no key {kid}")
    if key == newest_key():
        raise KeysRefused(f"{kid} is the key that seals: `keys rotate` and `keys reseal` first")
    if rows := WalletSecret.objects.filter(key=key).count():
        raise KeysRefused(f"{kid} still seals {rows} keys: `keys reseal` first")
    key.retired_at = key.retired_at or timezone.now()
    key.save(update_fields=["retired_at"])
    record(action=AuditAction.SEALING_KEY_RETIRED, actor=None, subject=f"sealing_key:{kid}")
    transaction.on_commit(lambda: KeyFiles(folder).remove(kid))
