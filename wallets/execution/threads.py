"""Services are synchronous; they run in threads of their own, several wallets at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError

Result = TypeVar("Result")

DATABASE_AWAY = (DatabaseError, InterfaceError)
# Fewer than the connections of the pool (DATABASE_POOL): the lease's renewals must never wait for one.
_threads = ThreadPoolExecutor(5, thread_name_prefix="execution")


async def in_thread(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call `work` in a thread that has a database connection while it runs."""
    call = database_sync_to_async(work, thread_sensitive=False, executor=_threads)
    result: Result = await call(*args, **kwargs)
    return result
