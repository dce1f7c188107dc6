from django.db import models
from django.db.models import Q

from wallets.domain.ledger import Account
from wallets.models.wallets import MONEY


class Accounts(models.TextChoices):
    AVAILABLE = Account.AVAILABLE
    RESERVED = Account.RESERVED
    FEES = Account.FEES
    FUNDING = Account.FUNDING
    REALISED = Account.REALISED
    TRADED = Account.TRADED
    TRANSFERS = Account.TRANSFERS
    EXTERNAL = Account.EXTERNAL


class LedgerTransfer(models.Model):
    """One event in the books. Its entries sum to zero per asset; the database sees to it at commit.

    `ref` says which event it is: the same event twice is one transfer. Append-only, by trigger.
    """

    class Kind(models.TextChoices):
        RESERVE = "reserve"
        RELEASE = "release"
        FILL = "fill"
        FUNDING = "funding"
        MOVEMENT = "movement"
        OPENING = "opening"
        ADJUSTMENT = "adjustment"

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="transfers")
    ref = models.CharField(max_length=160)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    order = models.ForeignKey("wallets.Order", null=True, on_delete=models.PROTECT, related_name="+")
    instrument = models.ForeignKey("market.Instrument", null=True, on_delete=models.PROTECT, related_name="+")
    time = models.BigIntegerField(help_text="ms since 1970: when it happened")
    note = models.CharField(max_length=200, blank=True)
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["wallet", "ref"], name="wallets_transfer_once"),)
        indexes = (
            # The payments that were booked since.
            models.Index(
                fields=["wallet", "id"], condition=Q(kind="funding"), name="wallets_transfer_funding"
            ),
        )

    def __str__(self) -> str:
        return self.ref


class LedgerEntry(models.Model):
    """An amount that came to (above zero) or left an account. Append-only, by trigger."""

    transfer = models.ForeignKey(LedgerTransfer, on_delete=models.PROTECT, related_name="entries")
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="+")
    pot = models.CharField(max_length=4)
    asset = models.CharField(max_length=40)
    account = models.CharField(max_length=10, choices=Accounts.choices)
    amount = models.DecimalField(**MONEY)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(amount=0), name="wallets_entry_amount"),
            models.CheckConstraint(condition=Q(pot__in=["perp", "spot"]), name="wallets_entry_pot"),
            models.CheckConstraint(condition=Q(account__in=Accounts.values), name="wallets_entry_account"),
        )
        indexes = (models.Index(fields=["wallet", "-id"], name="wallets_entry_newest"),)

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class Balance(models.Model):
    """The sum of the entries of one account. Kept by the trigger that every entry fires; read-only."""

    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="balances")
    pot = models.CharField(max_length=4)
    asset = models.CharField(max_length=40)
    account = models.CharField(max_length=10, choices=Accounts.choices)
    amount = models.DecimalField(**MONEY, default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["wallet", "pot", "asset", "account"], name="wallets_balance_key"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"
