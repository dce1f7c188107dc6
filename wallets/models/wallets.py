import uuid
from typing import Any

from django.conf import settings
from django.db import models

from core.models import LeasedModel
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


class GlobalTradingControl(_Control):
    """The server-wide trading state: one row (id 1)."""

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(pk=1), name="wallets_one_global_control"),)

    def __str__(self) -> str:
        return f"all users: {self.trading_state}"


class UserTradingControl(_Control):
    """The trading state of one user. No row: active."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.user_id} {self.trading_state}"


class Wallet(LeasedModel):
    """An account of one user at a venue. Leased: one execution worker at a time trades for it."""

    class Status(models.TextChoices):
        KEY_PENDING = "key_pending", "generating key"  # the execution worker has to generate one
        APPROVAL_PENDING = "approval_pending", "waiting for your approval"  # of the agent, at the venue
        CHECKING = "checking", "checking key"  # sealed; the execution worker verifies it at the venue
        ACTIVE = "active", "active"
        REJECTED = "rejected", "rejected"  # the key was deleted; `status_reason` says why
        EXPIRED = "expired", "key expired"  # the agent ended or was replaced at the venue
        ARCHIVED = "archived", "archived"

    class Stream(models.TextChoices):
        LIVE = "live"  # private streams
        POLLED = "polled"  # no stream slot left: polled every few seconds
        DOWN = "down"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    venue = models.ForeignKey("market.Venue", on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(
        default=uuid.uuid4, editable=False
    )  # a form submitted twice creates one wallet
    label = models.CharField(max_length=60)
    address = models.CharField(max_length=80, help_text="the account at the venue, in lower case")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.KEY_PENDING)
    status_reason = models.CharField(max_length=300, blank=True)
    venue_problem = models.CharField(
        max_length=300, blank=True, help_text="what of the venue's account data could not be decoded"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    # --- the key that trades for it (its secret is in WalletSecret) ---
    signer_address = models.CharField(max_length=80, blank=True, help_text="the public id of the key")
    fee_tier = models.CharField(max_length=40, blank=True, help_text="at the venue; empty: the lowest")
    signer_name = models.CharField(max_length=40, blank=True)
    signer_expires_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    last_nonce = models.BigIntegerField(default=0, help_text="ms; last nonce of this signer")

    # --- trading state and limits; null: the server's default ---
    trading_state = models.CharField(
        max_length=8, choices=TradingStates.choices, default=TradingState.ACTIVE.value
    )
    trading_reason = models.CharField(max_length=200, blank=True)
    halted_by_admin = models.BooleanField(
        default=False, help_text="set by an administrator; only an administrator can loosen it"
    )
    max_order_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_daily_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_position_notional = models.DecimalField(**MONEY, null=True, blank=True)
    max_leverage = models.PositiveSmallIntegerField(null=True, blank=True)
    price_band_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    orders_per_minute = models.PositiveIntegerField(null=True, blank=True)

    # --- sync state ---
    ledger_opened_at = models.DateTimeField(
        null=True, blank=True, help_text="time of the first reconciliation"
    )
    reconciled_at = models.DateTimeField(null=True, blank=True)
    events_synced_until = models.BigIntegerField(
        default=0, help_text="venue time (ms) up to which all events are applied"
    )
    stream_status = models.CharField(max_length=6, choices=Stream.choices, default=Stream.DOWN)
    residual = models.JSONField(default=dict, blank=True, help_text="account_type:asset → venue less ledger")
    equity = models.DecimalField(**MONEY, null=True, blank=True, help_text="as last reported by the venue")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "client_id"], name="wallets_wallet_client_id"),
            # Nonces are per key: with a shared key, the venue would reject orders of either wallet.
            models.UniqueConstraint(
                fields=["signer_address"], condition=~models.Q(signer_address=""), name="wallets_one_signer"
            ),
            models.UniqueConstraint(
                fields=["user", "venue", "address"],
                condition=~models.Q(status__in=["archived", "rejected"]),
                name="wallets_wallet_account",
            ),
        )
        indexes = (models.Index(fields=["user", "created_at"], name="wallets_wallet_user"),)

    def __str__(self) -> str:
        return f"{self.label} ({self.venue_id})"
