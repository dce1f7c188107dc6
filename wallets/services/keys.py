"""Sealing keys: made, replaced by newer ones, and ended. For `manage.py sealing_keys`, beside the files."""

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
from wallets.vault import KeyFiles, Opener, newest_key

BATCH = 200


class KeysRefused(Exception):
    """The act would lose keys of users; the sentence says which and what to do."""


@dataclass(frozen=True)
class KeyState:
    """One sealing key: how many rows it seals, and whether its private half is here."""

    kid: str
    created_at: datetime
    retired_at: datetime | None
    rows: int
    present: bool


def sealing_keys_list(*, folder: Path) -> list[KeyState]:
    """Newest first."""
    files = KeyFiles(folder)
    used = dict(WalletSecret.objects.values_list("key_id").annotate(Count("pk")).order_by())
    return [
        KeyState(key.kid, key.created_at, key.retired_at, used.get(key.kid, 0), files.exists(key.kid))
        for key in SealingKey.objects.order_by("-created_at", "-kid")
    ]


def sealing_keys_init(*, folder: Path) -> SealingKey | None:
    """The first key of a house. None when there is one, and its file. Raises `KeysRefused`, `VaultLocked`.

    A new key where old ones are missing would look like a working vault: it is never made.
    """
    states = [state for state in sealing_keys_list(folder=folder) if not state.retired_at or state.rows]
    for state in states:
        if not state.present:
            sealed = "; users must enter keys again" if state.rows else ""
            raise KeysRefused(f"sealed for kid {state.kid}, key not present{sealed}")
    return None if states else sealing_key_create(folder=folder)


@transaction.atomic
def sealing_key_create(*, folder: Path) -> SealingKey:
    """A new key; what is sealed from now on is sealed with it. Raises `VaultLocked`."""
    private = X25519PrivateKey.generate()
    kid = f"{timezone.now():%Y%m%d}-{secrets.token_hex(4)}"
    # The file first: a row without a file would seal what nobody can open.
    KeyFiles(folder).write(kid, private)
    key = SealingKey.objects.create(kid=kid, public=private.public_key().public_bytes_raw())
    record(action=AuditAction.SEALING_KEY_CREATED, actor=None, subject=f"sealing_key:{kid}")
    return key


def secrets_reseal(*, folder: Path, batch: int = BATCH) -> int:
    """Seal everything with the newest key. Returns how many rows it changed. Raises `VaultLocked`.

    Batch by batch, so that it can be stopped and started again; rows that somebody holds wait for the
    next batch.
    """
    return sum(_batches(Opener(folder), batch))


def secrets_behind() -> int:
    """How many rows are not sealed with the newest key yet. Raises `NoSealingKey`."""
    return WalletSecret.objects.exclude(key=newest_key()).count()


def secrets_check(*, folder: Path) -> int:
    """Open everything that is sealed. Returns how many. Raises `VaultLocked` when one stays shut."""
    opener = Opener(folder)
    opener.check()
    sealed = Wallet.objects.filter(pk__in=WalletSecret.objects.values("pk"))
    for wallet in sealed.iterator():
        opener.signer(wallet)
    return sealed.count()


def _batches(opener: Opener, batch: int) -> Iterator[int]:
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
                _reseal(opener, row)
        if not rows:
            return
        yield len(rows)


def _reseal(opener: Opener, row: WalletSecret) -> None:
    kid, _, row.sealed = opener.resealed(row, Wallet.objects.get(pk=row.pk))
    row.key_id = kid
    row.save(update_fields=["sealed", "key"])


@transaction.atomic
def sealing_key_retire(*, kid: str, folder: Path) -> None:
    """End a key that seals nothing any more, and delete its file. Raises `KeysRefused`."""
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
