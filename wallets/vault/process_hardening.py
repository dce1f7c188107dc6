"""What the operating system does for the process that holds keys."""

import ctypes
import os
import resource
import sys

PR_SET_DUMPABLE = 4


def harden() -> None:
    """No core files, and (on Linux) no reading of this process's memory by others of the same user.

    To be called before the first key is opened. Raises `OSError` when the kernel refuses: a process
    that could be read must not open anything.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
