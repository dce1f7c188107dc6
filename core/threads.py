"""Thread pools of the workers: services are synchronous and run in these threads."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.db import InternalError, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# Fewer threads than pooled connections (DATABASE_POOL): lease renewals must never wait for a connection.
_threads = ThreadPoolExecutor(5, thread_name_prefix="worker")
_poll_thread = ThreadPoolExecutor(1, thread_name_prefix="poll")


async def in_thread(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run `work` in a worker thread with a database connection.

    A cancelled caller still waits for `work` to end, so that no transaction continues unnoticed.
    """
    return await _run(_threads, work, args, kwargs)


async def in_poll_thread(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """`in_thread` in a separate thread for a worker's polls, which must not wait for the work on its rows."""
    return await _run(_poll_thread, work, args, kwargs)


async def _run(
    threads: ThreadPoolExecutor, work: Callable[..., Result], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Result:
    call = database_sync_to_async(_call_database, thread_sensitive=False, executor=threads)
    running: asyncio.Task[Result] = asyncio.create_task(call(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        if not running.cancelled() and (problem := running.exception()):
            logger.info("cancelled work failed", extra={"reason": str(problem)[:200]})
        raise


def _call_database(work: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Run `work`; convert `IdleInTransactionSessionTimeout` to `OperationalError`.

    PostgreSQL ends the session when this process is suspended within a transaction. That counts as an
    unavailable database: nothing of the transaction was stored.
    """
    try:
        return work(*args, **kwargs)
    except InternalError as problem:
        if isinstance(problem.__cause__, IdleInTransactionSessionTimeout):
            raise OperationalError(str(problem)) from problem
        raise
