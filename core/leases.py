"""Leases with fencing: at most one worker process owns a row, and each of its writes is checked for that.

Each process has one `Worker` row, renewed every 3 s and valid for 12 s by the database's clock. Rows are
claimed by compare-and-set with `FOR UPDATE SKIP LOCKED` and get `owner_epoch + 1`; every write of the owner
re-checks the epoch (`owner_epoch` only increases, so a writer that was suspended is rejected). A worker that
cannot renew stops by its own monotonic clock before the lease ends.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from core.errors import DATABASE_ERRORS
from core.models import LeasedModel, Worker

logger = logging.getLogger(__name__)

RENEW_INTERVAL = 3.0
LEASE = timedelta(seconds=12)
STOP_MARGIN = 3.0


class LeaseLost(Exception):
    """The row has another owner now; the pending write must not happen."""


@dataclass(frozen=True)
class Claim:
    """Proof of ownership: the row and the epoch under which it was claimed."""

    model: type[LeasedModel]
    pk: Any
    epoch: int


def worker_register(*, channel: str) -> uuid.UUID:
    """Insert the row of this process; its lease starts now."""
    row = Worker.objects.create(
        channel=channel, host=socket.gethostname(), pid=os.getpid(), lease_until=Now() + LEASE
    )
    return uuid.UUID(str(row.pk))


def worker_renew(worker: uuid.UUID) -> bool:
    """Extend the lease by 12 s. False when the row was deleted (it expired and was swept)."""
    return bool(Worker.objects.filter(pk=worker).update(lease_until=Now() + LEASE))


def worker_release(worker: uuid.UUID) -> None:
    """Delete the row, so that other workers can claim its rows at once."""
    Worker.objects.filter(pk=worker).delete()


def workers_sweep() -> int:
    """Delete rows with a lease that ended over an hour ago. Returns how many."""
    deleted, _ = Worker.objects.filter(lease_until__lt=Now() - timedelta(hours=1)).delete()
    return int(deleted)


def claim(
    model: type[LeasedModel], worker: uuid.UUID, *, where: Q | None = None, limit: int = 100
) -> list[Claim]:
    """Claim rows without an owner or with an expired owner's lease. Never blocks on a locked row."""
    manager: Any = model._default_manager
    with transaction.atomic():
        unowned = (
            manager.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(where or Q())
            .filter(Q(owner=None) | Q(owner__lease_until__lt=Now()))
            .order_by("pk")[:limit]
        )
        claims = []
        for row in unowned:
            row.owner_id, row.owner_epoch = worker, row.owner_epoch + 1
            row.save(update_fields=["owner", "owner_epoch"])
            claims.append(Claim(model, row.pk, row.owner_epoch))
        return claims


def release(claim: Claim) -> None:
    """Release the row, unless another worker owns it already."""
    manager: Any = claim.model._default_manager
    manager.filter(pk=claim.pk, owner_epoch=claim.epoch).update(owner=None)


def fence(claim: Claim) -> None:
    """Fence the current transaction by `claim`. Raises `LeaseLost` when the claim is no longer valid.

    Call it inside the transaction that writes. It locks the row, so that a new owner waits for the commit.
    """
    manager: Any = claim.model._default_manager
    owned = manager.select_for_update(no_key=True, of=("self",)).filter(
        pk=claim.pk, owner_epoch=claim.epoch, owner__lease_until__gte=Now()
    )
    if not list(owned):  # exists() would not take the row lock
        raise LeaseLost(f"{claim.model.__name__} {claim.pk} is not owned under epoch {claim.epoch}")


def is_still_owner(claim: Claim) -> bool:
    """Whether the claim is still valid, read without a lock, for the wake loop."""
    manager: Any = claim.model._default_manager
    return bool(manager.filter(pk=claim.pk, owner_epoch=claim.epoch, owner__isnull=False).exists())


def task_is_running() -> bool:
    """False once the current task was cancelled. Loop condition of worker tasks, instead of `True`.

    redis-py sometimes treats a cancellation as its own timeout, and asgiref loses one that arrives while a
    thread ends: a loop that relied on the exception alone would then never stop.
    """
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


class LeaseKeeper:
    """Lease keeper: renews the lease of one worker process and reports when the process must stop writing.

    `is_safe()` is True only while the last successful renewal is younger than the lease minus a margin, by
    this process's monotonic clock: after a suspension it is False before the process writes.
    """

    MARGIN: ClassVar[float] = LEASE.total_seconds() - STOP_MARGIN

    def __init__(self, channel: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.channel = channel
        self.worker: uuid.UUID | None = None
        self._clock = clock
        self._renewed_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def is_safe(self) -> bool:
        return self._clock() - self._renewed_at < self.MARGIN

    async def start(self) -> uuid.UUID:
        """Register and renew in the background until `stop`."""
        await self._register()
        self._task = asyncio.create_task(self._renew_forever(), name=f"lease {self.channel}")
        assert self.worker is not None
        return self.worker

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        worker, self.worker, self._renewed_at = self.worker, None, float("-inf")
        if worker:
            try:
                await database_sync_to_async(worker_release)(worker)
            except DATABASE_ERRORS:
                # The lease expires; an unavailable database must not block the shutdown.
                logger.warning("lease not released", extra={"channel": self.channel}, exc_info=True)

    async def _register(self) -> None:
        requested_at = self._clock()
        self.worker = await database_sync_to_async(worker_register)(channel=self.channel)
        self._renewed_at = requested_at

    async def _renew_forever(self) -> None:
        while task_is_running():
            await asyncio.sleep(RENEW_INTERVAL)
            requested_at = self._clock()  # before the query: the lease may start any time after it
            try:
                if self.worker and await database_sync_to_async(worker_renew)(self.worker):
                    self._renewed_at = requested_at
                else:
                    await self._register()
            except Exception:
                logger.warning("lease not renewed", extra={"channel": self.channel}, exc_info=True)
