"""Password hasher: bcrypt in a small pool of low-priority threads.

Each login attempt costs a quarter of a second of CPU. Hashing in the request threads would delay the
price streams; the pool is small, and the kernel schedules all other threads first.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

NICENESS = 10


class PooledBcryptHasher(BCryptSHA256PasswordHasher):
    """`BCryptSHA256PasswordHasher` in the thread pool: same hashes; the caller waits for a free thread."""

    def encode(self, password: str, salt: str) -> str:
        return _threads().submit(super().encode, password, salt).result()

    def verify(self, password: str, encoded: str) -> bool:
        return _threads().submit(_verify, password, encoded).result()


def _verify(password: str, encoded: str) -> bool:
    # Not the class above: its `verify` calls `encode`, which would wait for the thread it occupies itself.
    return BCryptSHA256PasswordHasher().verify(password, encoded)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.HASH_THREADS, "hash", initializer=_lower_priority)


def _lower_priority() -> None:
    if sys.platform == "linux":  # on other systems niceness applies to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
