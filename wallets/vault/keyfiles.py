"""The private halves: one file a key, in a folder that nobody but `execution` can read."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings

from wallets.vault.errors import VaultLocked

OTHERS = 0o077


class KeyFiles:
    """`execution-<kid>.key`: 64 hexadecimal digits, 0400, in a folder 0700. Read anew for each use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def path(self, kid: str) -> Path:
        return self.folder / f"execution-{kid}.key"

    def exists(self, kid: str) -> bool:
        return self.path(kid).is_file()

    def write(self, kid: str, private: X25519PrivateKey) -> None:
        """Once: a key that exists is never replaced. Raises `VaultLocked` for a folder that is served."""
        self._refuse_served()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._refuse_open(self.folder, self.folder.stat())
        handle = os.open(self.path(kid), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(private.private_bytes_raw().hex())
            file.flush()
            os.fsync(file.fileno())  # rows that are sealed to it must not outlive it

    def read(self, kid: str) -> X25519PrivateKey:
        """Raises `VaultLocked` when it is missing, damaged, or not ours alone."""
        self._refuse_served()
        path = self.path(kid)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            sentence = f"sealed for kid {kid}, key not present; users must enter keys again"
            raise VaultLocked(sentence) from None
        except OSError as error:
            raise VaultLocked(f"{path.name} cannot be read: {error.strerror}") from None
        with os.fdopen(handle, encoding="ascii") as file:
            self._refuse_open(self.folder, self.folder.stat())
            self._refuse_open(path, os.fstat(handle))
            try:
                return X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read().strip()))
            except ValueError:
                raise VaultLocked(f"{path.name} is damaged") from None

    def remove(self, kid: str) -> None:
        self.path(kid).unlink(missing_ok=True)

    def _refuse_open(self, path: Path, found: os.stat_result) -> None:
        if found.st_mode & OTHERS:
            right = 700 if stat.S_ISDIR(found.st_mode) else 400
            raise VaultLocked(f"{path.name} is open to others: chmod {right} {path}")

    def _refuse_served(self) -> None:
        for root in _served():
            if self.folder.is_relative_to(root.resolve()):
                raise VaultLocked(
                    f"{self.folder} is served to browsers: set EXECUTION_KEYS to another folder"
                )


def _served() -> Iterator[Path]:
    """Folders whose files are given to whoever asks."""
    listed = [row[1] if isinstance(row, tuple) else row for row in settings.STATICFILES_DIRS]
    for folder in (*listed, settings.STATIC_ROOT, settings.MEDIA_ROOT):
        if folder:
            yield Path(str(folder))
