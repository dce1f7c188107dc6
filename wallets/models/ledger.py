from django.db import models
from django.db.models import Q

from core.triggers import append_only, balance_sum, balances_derived, zero_sum
from wallets.domain.ledger import LedgerAccount
from wallets.models.wallets import MONEY


class Accounts(models.TextChoices):
    AVAILABLE = LedgerAccount.AVAILABLE
    RESERVED = LedgerAccount.RESERVED
    FEES = LedgerAccount.FEES
    FUNDING = LedgerAccount.FUNDING
    REALISED_PNL = LedgerAccount.REALISED_PNL
    TRADE_CLEARING = LedgerAccount.TRADE_CLEARING
    TRANSFERS = LedgerAccount.TRANSFERS
    EXTERNAL = LedgerAccount.EXTERNAL


class LedgerTransaction(models.Model):
    """One ledger transaction. Its entries sum to zero per asset; a trigger checks this at commit.

    `ref` identifies the event: the same event twice is one transaction. Append-only, by trigger.
    """

    class Kind(models.TextChoices):
        RESERVE = "reserve"
        RELEASE = "release"
        FILL = "fill"
        FUNDING = "funding"
        MOVEMENT = "movement"
        OPENING = "opening"
        ADJUSTMENT = "adjustment"

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="ledger_transactions")
    ref = models.CharField(max_length=160)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    order = models.ForeignKey("wallets.Order", null=True, on_delete=models.PROTECT, related_name="+")
    instrument = models.ForeignKey("market.Instrument", null=True, on_delete=models.PROTECT, related_name="+")
    time = models.BigIntegerField(help_text="time of the event, ms since 1970")
    note = models.CharField(max_length=200, blank=True)
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["wallet", "ref"], name="wallets_transaction_once"),)
        indexes = (
            # For funding payments after a cursor.
            models.Index(
                fields=["wallet", "id"], condition=Q(kind="funding"), name="wallets_transaction_funding"
            ),
        )
        triggers = append_only("ledger")

    def __str__(self) -> str:
        return self.ref


class LedgerEntry(models.Model):
    """An amount added to an account (above zero) or taken from it. Append-only, by trigger."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="+")
    account_type = models.CharField(max_length=7)
    asset = models.CharField(max_length=40)
    account = models.CharField(max_length=14, choices=Accounts.choices)
    amount = models.DecimalField(**MONEY)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(amount=0), name="wallets_entry_amount"),
            models.CheckConstraint(
                condition=Q(account_type__in=["perp", "spot", "unified"]), name="wallets_entry_account_type"
            ),
            models.CheckConstraint(condition=Q(account__in=Accounts.values), name="wallets_entry_account"),
        )
        indexes = (models.Index(fields=["wallet", "-id"], name="wallets_entry_newest"),)
        triggers = (
            *append_only("ledger"),
            zero_sum("wallets_zero_sum"),
            balance_sum("wallets_balance", "wallet_id", "account_type", "asset", "account"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class Balance(models.Model):
    """The sum of the entries of one account. Maintained by a trigger of each entry; read-only."""

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="balances")
    account_type = models.CharField(max_length=7)
    asset = models.CharField(max_length=40)
    account = models.CharField(max_length=14, choices=Accounts.choices)
    amount = models.DecimalField(**MONEY, default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["wallet", "account_type", "asset", "account"], name="wallets_balance_key"
            ),
        )
        triggers = (balances_derived(),)

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"
