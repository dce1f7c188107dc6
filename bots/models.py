"""Bots, their inputs, their runs, and what happened to them. Changed by `bots.services` alone."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from bots.domain.lifecycle import Status, StopPolicy
from market.leases import LeasedModel

MONEY: dict[str, Any] = {"max_digits": 38, "decimal_places": 18}


class Statuses(models.TextChoices):
    STARTING = Status.STARTING
    WARMING = Status.WARMING, "reading candles"
    RUNNING = Status.RUNNING
    IDLE = Status.IDLE
    STOPPING = Status.STOPPING
    STOPPED = Status.STOPPED
    FAULTED = Status.FAULTED


class StopPolicies(models.TextChoices):
    KEEP = StopPolicy.KEEP, "keep its orders"
    CANCEL_OWN = StopPolicy.CANCEL_OWN, "cancel its orders"
    CANCEL_AND_CLOSE_OWN = StopPolicy.CANCEL_AND_CLOSE_OWN, "cancel its orders and close its position"


class Bot(LeasedModel):
    """A strategy that trades one instrument out of one wallet. Leased: one supervisor at a time runs it."""

    class Desired(models.TextChoices):
        RUNNING = "running"
        STOPPED = "stopped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="+")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(default=uuid.uuid4, editable=False)  # a form sent twice is one bot
    strategy = models.CharField(max_length=40)
    name = models.CharField(max_length=60)
    budget = models.DecimalField(**MONEY, help_text="in quote units")
    leverage = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    # --- what is wanted ---
    desired = models.CharField(max_length=8, choices=Desired.choices, default=Desired.STOPPED)
    stop_policy = models.CharField(max_length=24, choices=StopPolicies.choices, blank=True)
    stop_reason = models.CharField(max_length=300, blank=True)
    inputs_version = models.PositiveIntegerField(default=1, help_text="the newest")

    # --- what is, as its supervisor wrote last ---
    status = models.CharField(max_length=8, choices=Statuses.choices, default=Statuses.STOPPED)
    reason = models.CharField(max_length=300, blank=True, help_text="why it is idle, stopped or faulted")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="when the reason was last true")
    trace = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "client_id"], name="bots_bot_client_id"),
            models.CheckConstraint(condition=Q(budget__gt=0, leverage__gt=0), name="bots_bot_budget"),
            models.CheckConstraint(condition=Q(status__in=Statuses.values), name="bots_bot_status"),
        )
        indexes = (models.Index(fields=["user", "-created_at"], name="bots_bot_newest"),)

    def __str__(self) -> str:
        return self.name


class BotInputs(models.Model):
    """One version of a bot's inputs, as JSON of `inputs_write`. Versions are added, never changed."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="inputs")
    version = models.PositiveIntegerField()
    inputs = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["bot", "version"], name="bots_inputs_version"),)

    def __str__(self) -> str:
        return f"version {self.version}"


class Run(models.Model):
    """One life of a bot, from a start to its end. Whoever drives it holds the bot's lease."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.JSONField(default=dict, help_text="of bots.domain.codec")
    inputs_version = models.PositiveIntegerField(help_text="that the last decision was made with")
    code = models.CharField(max_length=64, help_text="hash of the strategy's source")
    decisions = models.BigIntegerField(default=0, help_text="numbers the journal")
    fills_until = models.BigIntegerField(default=0, help_text="every fill up to this one was told")
    crashes = models.JSONField(default=list, blank=True, help_text="ms; of the process, lately")
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_why = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["bot"], condition=Q(ended_at=None), name="bots_one_active_run"),
        )
        indexes = (
            models.Index(fields=["bot", "-started_at"], name="bots_run_newest"),
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="bots_run_ended"),
        )

    def __str__(self) -> str:
        return f"run {self.pk}"


class BotEvent(models.Model):
    """The journal: what a decision was made on and what it asked for, or a line for people.

    A decision's `body` is {"events", "tick", "inputs", "requests"} in the words of `bots.domain.codec`.
    """

    class Kind(models.TextChoices):
        DECISION = "decision"
        STATUS = "status"
        INPUTS = "inputs"
        REQUEST = "request"  # somebody started or stopped it

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="events")
    run = models.ForeignKey(Run, null=True, on_delete=models.PROTECT, related_name="events")
    number = models.BigIntegerField(null=True, help_text="of the decision within its run")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    text = models.CharField(max_length=300)
    body = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["run", "number"], name="bots_event_decided_once"),)
        indexes = (models.Index(fields=["bot", "-id"], name="bots_event_newest"),)

    def __str__(self) -> str:
        return self.text
