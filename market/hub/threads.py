"""Services are synchronous; they run in threads of their own, several rows at a time."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.db import InterfaceError, InternalError, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# What a database that restarts raises; anything else is a bug, and ends whatever met it.
DATABASE_AWAY = (OperationalError, InterfaceError)
# Fewer than the connections of the pool (DATABASE_POOL): the lease's renewals must never wait for one.
_threads = ThreadPoolExecutor(5, thread_name_prefix="worker")
_ahead = ThreadPoolExecutor(1, thread_name_prefix="look")


async def in_thread(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Call `work` in a thread that has a database connection while it runs.

    A caller that is cancelled still waits for the end of it: no transaction goes on behind its back.
    """
    return await _run(_threads, work, args, kwargs)


async def in_thread_ahead(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """The same in a thread of its own: for a worker's looks, which must not wait for what its rows have to do."""
    return await _run(_ahead, work, args, kwargs)


async def _run(
    threads: ThreadPoolExecutor, work: Callable[..., Result], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    call = database_sync_to_async(_reaching, thread_sensitive=False, executor=threads)
    running: asyncio.Task[Result] = asyncio.create_task(call(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        if not running.cancelled() and (problem := running.exception()):
            logger.info("cancelled work failed", extra={"reason": str(problem)[:200]})
        raise


def _reaching(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """A session that the database ended, because this process stood still in a transaction, is one more
    database that was away: nothing of it was stored."""
    try:
        return work(*args, **kwargs)
    except InternalError as problem:
        if isinstance(problem.__cause__, IdleInTransactionSessionTimeout):
            raise OperationalError(str(problem)) from problem
        raise
