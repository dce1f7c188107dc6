"""Process hardening for the execution worker, which holds unsealed keys in memory."""

import ctypes
import os
import resource
import sys

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
