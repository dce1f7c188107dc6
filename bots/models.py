"""Bots, their inputs, their runs, and what happened to them. Changed by `bots.services` alone."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from bots.domain.ledger import Account
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


class Accounts(models.TextChoices):
    HELD = Account.HELD
    TRADED = Account.TRADED
    FEES = Account.FEES
    FUNDING = Account.FUNDING


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


# --- books -----------------------------------------------------------------------------------------------
class BooksMark(models.Model):
    """How far a wallet's own books were read for the books of its bots. Whoever posts holds this row.

    Keys of fills and of ledger transfers: both become visible in rising order within one wallet.
    """

    wallet = models.OneToOneField(
        "wallets.Wallet", primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    fills_until = models.BigIntegerField(default=0)
    payments_until = models.BigIntegerField(default=0, help_text="transfers of funding")
    paid_until = models.BigIntegerField(default=0, help_text="ms; the newest payment that was shared out")

    def __str__(self) -> str:
        return f"fill {self.fills_until}"


class BotTransfer(models.Model):
    """One fact in the books of a bot. Its entries sum to zero per asset, by trigger. Append-only.

    `ref` says which fact: a fact that is told twice is one transfer. A share of a funding payment that a
    late fill turns out to have changed is mended by one more transfer of that `payment`.
    """

    class Kind(models.TextChoices):
        FILL = "fill"
        FUNDING = "funding"

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="transfers")
    ref = models.CharField(max_length=100)
    kind = models.CharField(max_length=7, choices=Kind.choices)
    payment = models.BigIntegerField(null=True, help_text="the wallet's transfer that this is a share of")
    time = models.BigIntegerField(help_text="ms since 1970: when it happened")
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["bot", "ref"], name="bots_transfer_once"),
            models.CheckConstraint(
                condition=Q(kind="fill", payment=None) | Q(kind="funding", payment__isnull=False),
                name="bots_transfer_kind",
            ),
        )
        indexes = (
            # What was posted of a payment, before it is shared out anew.
            models.Index(
                fields=["payment"], condition=Q(payment__isnull=False), name="bots_transfer_payment"
            ),
        )

    def __str__(self) -> str:
        return self.ref


class BotEntry(models.Model):
    """An amount that came to (above zero) or left an account. Append-only, by trigger."""

    transfer = models.ForeignKey(BotTransfer, on_delete=models.PROTECT, related_name="entries")
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=7, choices=Accounts.choices)
    asset = models.CharField(max_length=40)
    amount = models.DecimalField(**MONEY)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(amount=0), name="bots_entry_amount"),
            models.CheckConstraint(condition=Q(account__in=Accounts.values), name="bots_entry_account"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class BotBalance(models.Model):
    """The sum of the entries of one account. Kept by the trigger that every entry fires; read-only."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="balances")
    account = models.CharField(max_length=7)
    asset = models.CharField(max_length=40)
    amount = models.DecimalField(**MONEY, default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["bot", "account", "asset"], name="bots_balance_key"),)

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class HolderBook(models.Model):
    """The running book (`bots.domain.pnl.Book`) of one holder on a wallet's instrument.

    A row without a bot is the person's own: what they asked for on a page or by the API. Changed only in
    the transaction that posts: at its end the database holds a bot's row against its balances.
    """

    mark = models.ForeignKey(BooksMark, on_delete=models.PROTECT, related_name="books")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    bot = models.OneToOneField(Bot, null=True, blank=True, on_delete=models.PROTECT, related_name="book")
    size = models.DecimalField(**MONEY, default=0)
    cost = models.DecimalField(**MONEY, default=0)
    realised = models.DecimalField(**MONEY, default=0)
    fees = models.DecimalField(**MONEY, default=0)
    funding = models.DecimalField(**MONEY, default=0)
    fills = models.PositiveBigIntegerField(default=0)
    trips = models.PositiveBigIntegerField(default=0)
    volume = models.DecimalField(**MONEY, default=0)
    peak = models.DecimalField(**MONEY, default=0)
    drawdown = models.DecimalField(**MONEY, default=0)
    in_market = models.BigIntegerField(default=0, help_text="ms")
    since = models.BigIntegerField(null=True, help_text="ms; of the newest fact")
    gone = models.DecimalField(
        **MONEY, default=0, help_text="of size; known to have left the venue by itself"
    )
    last_time = models.BigIntegerField(default=0, help_text="of the newest fill: an older one is late")
    last_ref = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["mark", "instrument"], condition=Q(bot=None), name="bots_book_of_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.size} of {self.bot_id or 'the person'}"
