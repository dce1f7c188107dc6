"""Our clocks: the time that events carry, and the one that nobody sets."""

import asyncio
import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def steady() -> float:
    """Seconds; only differences mean something."""
    return asyncio.get_running_loop().time()
