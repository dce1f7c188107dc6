"""bcrypt in threads of its own. A quarter of a second of processor for each attempt to sign in would
otherwise be taken from whoever streams prices: the threads are few, and the kernel prefers all others.
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
    """The same hashes as `BCryptSHA256PasswordHasher`; whoever asks waits for a free thread."""

    def encode(self, password: str, salt: str) -> str:
        return _threads().submit(super().encode, password, salt).result()

    def verify(self, password: str, encoded: str) -> bool:
        return _threads().submit(_verify, password, encoded).result()


def _verify(password: str, encoded: str) -> bool:
    # Not the class above: its `verify` calls `encode`, which would wait for the thread that it is in.
    return BCryptSHA256PasswordHasher().verify(password, encoded)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.HASH_THREADS, "hash", initializer=_step_back)


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere niceness belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
