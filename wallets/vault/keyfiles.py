"""Private sealing keys: one file per key, in a folder that only the execution worker can read; hardening of that process."""

import ctypes
import os
import resource
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings

from wallets.vault.errors import VaultLocked

GROUP_OTHER_BITS = 0o077


class KeyFiles:
    """`execution-<kid>.key`: 64 hexadecimal digits, 0400, in a folder 0700. Read again for each use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def path(self, kid: str) -> Path:
        return self.folder / f"execution-{kid}.key"

    def exists(self, kid: str) -> bool:
        return self.path(kid).is_file()

    def write(self, kid: str, private: X25519PrivateKey) -> None:
        """Write a new key file; existing files are never replaced. Raises `VaultLocked` for a served folder."""
        self._require_unserved()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._require_private(self.folder, self.folder.stat())
        handle = os.open(self.path(kid), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(private.private_bytes_raw().hex())
            file.flush()
            os.fsync(file.fileno())  # durable before any row is sealed to the key

    def read(self, kid: str) -> X25519PrivateKey:
        """Read a key. Raises `VaultLocked` when its file is missing, damaged, or readable by other users."""
        self._require_unserved()
        path = self.path(kid)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            message = f"sealed for kid {kid}, key not present; users must enter keys again"
            raise VaultLocked(message) from None
        except OSError as error:
            raise VaultLocked(f"{path.name} cannot be read: {error.strerror}") from None
        with os.fdopen(handle, encoding="ascii") as file:
            self._require_private(self.folder, self.folder.stat())
            self._require_private(path, os.fstat(handle))
            try:
                return X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read().strip()))
            except ValueError:
                raise VaultLocked(f"{path.name} is damaged") from None

    def remove(self, kid: str) -> None:
        self.path(kid).unlink(missing_ok=True)

    def _require_private(self, path: Path, status: os.stat_result) -> None:
        if status.st_mode & GROUP_OTHER_BITS:
            mode = 700 if stat.S_ISDIR(status.st_mode) else 400
            raise VaultLocked(f"{path.name} is readable by others: chmod {mode} {path}")

    def _require_unserved(self) -> None:
        for root in _served():
            if self.folder.is_relative_to(root.resolve()):
                raise VaultLocked(
                    f"{self.folder} is served to browsers: set SEALING_KEY_DIR to another folder"
                )


def _served() -> Iterator[Path]:
    """Folders that are served publicly."""
    listed = [row[1] if isinstance(row, tuple) else row for row in settings.STATICFILES_DIRS]
    for folder in (*listed, settings.STATIC_ROOT, settings.MEDIA_ROOT):
        if folder:
            yield Path(str(folder))


PR_SET_DUMPABLE = 4


def harden() -> None:
    """Disable core dumps and (on Linux) access to this process's memory by others of the same user.

    Call it before the first key is unsealed. Raises `OSError` when the kernel refuses: a process with readable
    memory must not unseal keys.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
