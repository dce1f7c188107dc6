"""Leases: exactly one process drives a row, and it can prove it.

One `Worker` row per process, renewed every 3 s and valid for 12 s by the database's clock. Work is
claimed by compare-and-set with `FOR UPDATE SKIP LOCKED` and gets `owner_epoch + 1`; every write made
for that work re-checks the epoch (`owner_epoch` only ever rises, so a writer that slept is refused).
A worker that cannot renew stops acting by its own monotonic clock before the lease ends.
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
from django.apps import apps
from django.db import DatabaseError, InterfaceError, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

logger = logging.getLogger(__name__)

RENEW_EVERY = 3.0
LEASE = timedelta(seconds=12)
STOP_BEFORE_END = 3.0


class LeaseLost(Exception):
    """The work belongs to somebody else now; what was about to be written must not be."""


class LeasedModel(models.Model):
    """A row that at most one worker drives at a time. `owner_epoch` counts its drivers."""

    owner = models.ForeignKey(
        "market.Worker", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    owner_epoch = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


@dataclass(frozen=True)
class Claim:
    """Proof of ownership: the row and the epoch under which it was claimed."""

    model: type[LeasedModel]
    pk: Any
    epoch: int


def _workers() -> Any:
    return apps.get_model("market", "Worker").objects


def worker_register(*, channel: str) -> uuid.UUID:
    """Insert the row of this process; its lease starts now."""
    row = _workers().create(
        channel=channel, host=socket.gethostname(), pid=os.getpid(), lease_until=Now() + LEASE
    )
    return uuid.UUID(str(row.pk))


def worker_renew(worker: uuid.UUID) -> bool:
    """Extend the lease by 12 s. False when the row is gone (it expired and was swept)."""
    return bool(_workers().filter(pk=worker).update(lease_until=Now() + LEASE))


def worker_release(worker: uuid.UUID) -> None:
    """Delete the row, so that others may claim its work at once."""
    _workers().filter(pk=worker).delete()


def workers_sweep() -> int:
    """Delete rows whose lease ended over an hour ago. Returns how many."""
    gone, _ = _workers().filter(lease_until__lt=Now() - timedelta(hours=1)).delete()
    return int(gone)


def claim(
    model: type[LeasedModel], worker: uuid.UUID, *, where: Q | None = None, limit: int = 100
) -> list[Claim]:
    """Take rows that nobody holds, or whose holder's lease has ended. Never blocks on a locked row."""
    manager: Any = model._default_manager
    with transaction.atomic():
        free = (
            manager.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(where or Q())
            .filter(Q(owner=None) | Q(owner__lease_until__lt=Now()))
            .order_by("pk")[:limit]
        )
        taken = []
        for row in free:
            row.owner_id, row.owner_epoch = worker, row.owner_epoch + 1
            row.save(update_fields=["owner", "owner_epoch"])
            taken.append(Claim(model, row.pk, row.owner_epoch))
        return taken


def release(held: Claim) -> None:
    """Give the row back, unless somebody else has it already."""
    manager: Any = held.model._default_manager
    manager.filter(pk=held.pk, owner_epoch=held.epoch).update(owner=None)


def fence(held: Claim) -> None:
    """Call inside the transaction that writes for `held`. Raises `LeaseLost` when it is not ours.

    Takes the row lock, so that a new owner waits for our commit.
    """
    manager: Any = held.model._default_manager
    ours = manager.select_for_update(no_key=True, of=("self",)).filter(
        pk=held.pk, owner_epoch=held.epoch, owner__lease_until__gte=Now()
    )
    if not list(ours):  # not exists(): that would drop the lock
        raise LeaseLost(f"{held.model.__name__} {held.pk} is not ours under epoch {held.epoch}")


def still_owned(held: Claim) -> bool:
    """A look without a lock, for the wake loop."""
    manager: Any = held.model._default_manager
    return bool(manager.filter(pk=held.pk, owner_epoch=held.epoch, owner__isnull=False).exists())


def task_goes_on() -> bool:
    """False once the current task was cancelled. For the loops of workers, instead of `True`.

    redis-py now and then takes a cancellation for a timeout of its own, and asgiref loses one that
    arrives as a thread ends: a loop that relied on the exception alone would then never stop.
    """
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


class Keeper:
    """Keeps the lease of one worker process alive and says when to stop acting.

    `safe()` is true only while the last successful renewal is younger than the lease minus a margin,
    by this process's monotonic clock: a process that was paused finds it false before it writes.
    """

    MARGIN: ClassVar[float] = LEASE.total_seconds() - STOP_BEFORE_END

    def __init__(self, channel: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.channel = channel
        self.worker: uuid.UUID | None = None
        self._clock = clock
        self._renewed_at = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def safe(self) -> bool:
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
            except (DatabaseError, InterfaceError):
                # It ends by itself; a database that is away must not keep us from stopping.
                logger.warning("lease not released", extra={"channel": self.channel}, exc_info=True)

    async def _register(self) -> None:
        asked = self._clock()
        self.worker = await database_sync_to_async(worker_register)(channel=self.channel)
        self._renewed_at = asked

    async def _renew_forever(self) -> None:
        while task_goes_on():
            await asyncio.sleep(RENEW_EVERY)
            asked = self._clock()  # before the query: the lease may start any time after it
            try:
                if self.worker and await database_sync_to_async(worker_renew)(self.worker):
                    self._renewed_at = asked
                else:
                    await self._register()
            except Exception:
                logger.warning("lease not renewed", extra={"channel": self.channel}, exc_info=True)
