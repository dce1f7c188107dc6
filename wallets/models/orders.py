import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from wallets.domain.status import LIVE, OrderStatus
from wallets.models.wallets import MONEY


class Statuses(models.TextChoices):
    PENDING = OrderStatus.PENDING
    SUBMITTING = OrderStatus.SUBMITTING
    UNKNOWN = OrderStatus.UNKNOWN
    OPEN = OrderStatus.OPEN
    PARTLY_FILLED = OrderStatus.PARTLY_FILLED, "partly filled"
    CANCELLING = OrderStatus.CANCELLING
    FILLED = OrderStatus.FILLED
    CANCELLED = OrderStatus.CANCELLED
    REJECTED = OrderStatus.REJECTED
    DENIED = OrderStatus.DENIED
    EXPIRED = OrderStatus.EXPIRED


class Submission(models.Model):
    """One signed action, written down before it is sent: its nonce, its validity, and what came back."""

    class Kind(models.TextChoices):
        PLACE = "place"
        CANCEL = "cancel"
        MODIFY = "modify"
        LEVERAGE = "leverage"

    class Outcome(models.TextChoices):
        OUT = "out"  # perhaps sent
        ANSWERED = "answered"
        REFUSED = "refused"  # the venue refused the action as a whole
        UNKNOWN = "unknown"
        NOT_SENT = "not_sent"

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="submissions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    signer = models.CharField(max_length=80)
    nonce = models.BigIntegerField(help_text="ms")
    valid_until = models.BigIntegerField(null=True, help_text="ms by the venue's clock; null: for ever")
    epoch = models.BigIntegerField(help_text="of the lease under which it was written")
    created_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.OUT)
    answer = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["signer", "nonce"], name="wallets_nonce_once"),)
        indexes = (models.Index(fields=["wallet", "outcome"], name="wallets_submission_out"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.nonce}"


class Order(models.Model):
    """What was asked for, what became of it, and why. Changed by `wallets.services` alone."""

    class Kind(models.TextChoices):
        MARKET = "market"
        LIMIT = "limit"
        STOP_MARKET = "stop_market", "stop"
        STOP_LIMIT = "stop_limit", "stop limit"
        TAKE_MARKET = "take_market", "take profit"
        TAKE_LIMIT = "take_limit", "take profit limit"

    class Tif(models.TextChoices):
        GTC = "gtc", "good till cancelled"
        IOC = "ioc", "immediate or cancel"
        ALO = "alo", "post only"

    class Side(models.TextChoices):
        BUY = "buy"
        SELL = "sell"

    class Origin(models.TextChoices):
        PAGE = "page"
        API = "api"
        BOT = "bot"
        EXTERNAL = "external"  # found at the venue; not placed by us

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="orders")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(help_text="minted by whoever asked; a repeat is the same order")
    venue_client_id = models.CharField(max_length=40, blank=True, help_text="0x…: what the venue carries")
    venue_order_id = models.CharField(max_length=40, blank=True)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    source_id = models.UUIDField(null=True, blank=True, help_text="the bot that asked, when one did")
    why = models.JSONField(default=dict, blank=True, help_text="of a bot: event, inputs version, code hash")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="of what was asked under client_id")

    side = models.CharField(max_length=4, choices=Side.choices)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    tif = models.CharField(max_length=3, choices=Tif.choices)
    reduce_only = models.BooleanField(default=False)
    price = models.DecimalField(**MONEY, help_text="the worst that is accepted")
    trigger_price = models.DecimalField(**MONEY, null=True, blank=True)
    size = models.DecimalField(**MONEY)
    mark_price = models.DecimalField(**MONEY, null=True, blank=True, help_text="when it was placed")
    replaces = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    status = models.CharField(max_length=14, choices=Statuses.choices, default=Statuses.PENDING)
    code = models.CharField(max_length=40, blank=True, help_text="of a denial, or the venue's word")
    message = models.CharField(max_length=300, blank=True)
    filled = models.DecimalField(**MONEY, default=0)
    filled_value = models.DecimalField(**MONEY, default=0, help_text="price times size, summed")
    reserved = models.DecimalField(**MONEY, default=0, help_text="what it still holds back")
    hold = models.DecimalField(**MONEY, default=0, help_text="what it holds back while nothing is filled")
    hold_changes = models.PositiveIntegerField(default=0, help_text="numbers its reservations and releases")
    reserved_pot = models.CharField(max_length=4, blank=True)
    reserved_asset = models.CharField(max_length=40, blank=True)
    flags = models.JSONField(default=list, blank=True, help_text="overfill, late_fill, …")

    submission = models.ForeignKey(
        Submission, null=True, blank=True, on_delete=models.PROTECT, related_name="orders"
    )
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    cancel_submission = models.ForeignKey(
        Submission, null=True, blank=True, on_delete=models.PROTECT, related_name="cancels"
    )
    send_before = models.DateTimeField(null=True, blank=True, help_text="after this it is not sent any more")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["wallet", "client_id"], name="wallets_order_client_id"),
            models.UniqueConstraint(
                fields=["wallet", "venue_client_id"],
                condition=~Q(venue_client_id=""),
                name="wallets_order_venue_client",
            ),
            models.UniqueConstraint(
                fields=["wallet", "venue_order_id"],
                condition=~Q(venue_order_id=""),
                name="wallets_order_venue_id",
            ),
            models.CheckConstraint(condition=Q(status__in=Statuses.values), name="wallets_order_status"),
            models.CheckConstraint(
                condition=Q(size__gt=0, price__gt=0, filled__gte=0, reserved__gte=0),
                name="wallets_order_signs",
            ),
        )
        indexes = (
            models.Index(
                fields=["wallet", "status"],
                condition=Q(status__in=sorted(LIVE)),
                name="wallets_order_live",
            ),
            models.Index(fields=["wallet", "-created_at"], name="wallets_order_newest"),
            models.Index(
                fields=["source_id", "-created_at"],
                condition=Q(source_id__isnull=False),
                name="wallets_order_source",
            ),
            models.Index(
                fields=["updated_at"],
                condition=Q(source_id__isnull=False),
                name="wallets_order_source_changed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.side} {self.size} {self.instrument_id} {self.status}"


class Fill(models.Model):
    """One trade of an order, as the venue told it."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="fills")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    trade_id = models.CharField(max_length=40)
    side = models.CharField(max_length=4, choices=Order.Side.choices)
    price = models.DecimalField(**MONEY)
    size = models.DecimalField(**MONEY)
    fee = models.DecimalField(**MONEY, help_text="above zero: paid")
    fee_asset = models.CharField(max_length=40)
    closed_pnl = models.DecimalField(**MONEY, help_text="before fees")
    taker = models.BooleanField()
    liquidation = models.BooleanField(default=False)
    time = models.BigIntegerField(help_text="ms since 1970, UTC")
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["order", "trade_id"], name="wallets_fill_once"),
            models.CheckConstraint(condition=Q(size__gt=0, price__gt=0), name="wallets_fill_signs"),
        )
        indexes = (
            models.Index(fields=["wallet", "-time"], name="wallets_fill_newest"),
            models.Index(fields=["wallet", "id"], name="wallets_fill_booked"),  # what was booked since
        )

    def __str__(self) -> str:
        return f"{self.side} {self.size} at {self.price}"


class Position(models.Model):
    """What a wallet holds of a perpetual: the sum of its fills. `cost` is the signed price paid for it."""

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="positions")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    size = models.DecimalField(**MONEY, default=0)
    cost = models.DecimalField(**MONEY, default=0)
    realised = models.DecimalField(**MONEY, default=0, help_text="before fees, ever")
    fees = models.DecimalField(**MONEY, default=0, help_text="paid, ever")
    funding = models.DecimalField(**MONEY, default=0, help_text="received, ever")
    # As the venue said last; for the margin check and for the page.
    leverage = models.PositiveSmallIntegerField(default=1)
    leverage_wanted = models.PositiveSmallIntegerField(null=True, blank=True)
    isolated = models.BooleanField(default=False)
    margin_used = models.DecimalField(**MONEY, default=0)
    liquidation_price = models.DecimalField(**MONEY, null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["wallet", "instrument"], name="wallets_position_key"),)

    def __str__(self) -> str:
        return f"{self.size} {self.instrument_id}"

    @property
    def entry_price(self) -> Any:
        """What one unit cost on average; None when flat."""
        return self.cost / self.size if self.size else None
