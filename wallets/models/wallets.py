import uuid
from typing import Any

from django.conf import settings
from django.db import models

from market.leases import LeasedModel
from wallets.domain.status import TradingState

MONEY: dict[str, Any] = {"max_digits": 38, "decimal_places": 18}


class TradingStates(models.TextChoices):
    ACTIVE = TradingState.ACTIVE
    REDUCING = TradingState.REDUCING
    HALTED = TradingState.HALTED


class _Control(models.Model):
    trading_state = models.CharField(
        max_length=8, choices=TradingStates.choices, default=TradingState.ACTIVE.value
    )
    reason = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class HouseControl(_Control):
    """One row (id 1): may this house trade?"""

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="wallets_one_house"),)

    def __str__(self) -> str:
        return f"house {self.trading_state}"


class TraderControl(_Control):
    """May this user trade? No row: yes."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.user_id} {self.trading_state}"


class Wallet(LeasedModel):
    """An account at a venue, of one user. Leased: one execution worker at a time acts for it."""

    class Status(models.TextChoices):
        KEY_WANTED = "key_wanted", "making a key"  # the vault shall generate one
        APPROVAL_WANTED = "approval_wanted", "waiting for your approval"  # of the agent, at the venue
        CHECKING = "checking", "being checked"  # sealed; execution asks the venue about it
        ACTIVE = "active", "active"
        REFUSED = "refused", "refused"  # the key was deleted; `status_reason` says why
        EXPIRED = "expired", "key expired"  # the agent ended or was replaced at the venue
        ARCHIVED = "archived", "archived"

    class Stream(models.TextChoices):
        LIVE = "live"  # private streams
        POLLED = "polled"  # no slot left: asked every few seconds
        DOWN = "down"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    venue = models.ForeignKey("market.Venue", on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(default=uuid.uuid4, editable=False)  # a form sent twice is one wallet
    label = models.CharField(max_length=60)
    address = models.CharField(max_length=80, help_text="the account at the venue, in lower case")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.KEY_WANTED)
    status_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # --- the key that trades for it (its secret is in WalletSecret) ---
    signer_address = models.CharField(max_length=80, blank=True)
    signer_name = models.CharField(max_length=40, blank=True)
    signer_expires_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    last_nonce = models.BigIntegerField(default=0, help_text="ms; the nonce line of this signer")

    # --- what it may do; null: the house's own limit ---
    trading_state = models.CharField(
        max_length=8, choices=TradingStates.choices, default=TradingState.ACTIVE.value
    )
    trading_reason = models.CharField(max_length=200, blank=True)
    stopped_by_house = models.BooleanField(
        default=False, help_text="an administrator made it stricter; only one makes it looser again"
    )
    max_order_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_day_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_position_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_leverage = models.PositiveSmallIntegerField(null=True, blank=True)
    price_band_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    orders_per_minute = models.PositiveIntegerField(null=True, blank=True)

    # --- how well we know it ---
    opened_at = models.DateTimeField(null=True, blank=True, help_text="its history is in the ledger since")
    reconciled_at = models.DateTimeField(null=True, blank=True)
    facts_until = models.BigIntegerField(default=0, help_text="venue ms up to which every fact is booked")
    stream = models.CharField(max_length=6, choices=Stream.choices, default=Stream.DOWN)
    residual = models.JSONField(default=dict, blank=True, help_text="pot:asset → venue less ledger")
    equity = models.DecimalField(**MONEY, null=True, blank=True, help_text="as the venue said last")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "client_id"], name="wallets_wallet_client_id"),
            # One nonce line per key: two wallets that share one would refuse each other's orders.
            models.UniqueConstraint(
                fields=["signer_address"], condition=~models.Q(signer_address=""), name="wallets_one_signer"
            ),
            models.UniqueConstraint(
                fields=["user", "venue", "address"],
                condition=~models.Q(status__in=["archived", "refused"]),
                name="wallets_wallet_account",
            ),
        )
        indexes = (models.Index(fields=["user", "created_at"], name="wallets_wallet_user"),)

    def __str__(self) -> str:
        return f"{self.label} ({self.venue_id})"
