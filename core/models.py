"""The table of worker processes, and the abstract model of rows that one worker at a time owns."""

import uuid

from django.db import models


class Worker(models.Model):
    """One running worker process. Its lease is valid until `lease_until` by the database's clock."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.CharField(max_length=40)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(auto_now_add=True)
    lease_until = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["channel", "lease_until"], name="core_worker_live"),)

    def __str__(self) -> str:
        return f"{self.channel} on {self.host}, pid {self.pid}"


class LeasedModel(models.Model):
    """Abstract model of a row that at most one worker owns at a time. `owner_epoch` counts the claims."""

    owner = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    owner_epoch = models.BigIntegerField(default=0)

    class Meta:
        abstract = True
