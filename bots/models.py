"""Models of bots: inputs, runs, journal and ledger. Only `bots.services` writes them."""

import uuid
from typing import Any

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bots.domain.ledger import LedgerAccount
from bots.domain.lifecycle import Status, StopPolicy
from core.models import LeasedModel
from core.triggers import Guard, append_only, balance_sum, balances_derived, zero_sum

MONEY: dict[str, Any] = {"max_digits": 38, "decimal_places": 18}


class Statuses(models.TextChoices):
    """Statuses of a bot, with labels."""

    STARTING = Status.STARTING
    WARMING = Status.WARMING, _("loading candles")
    RUNNING = Status.RUNNING
    IDLE = Status.IDLE
    STOPPING = Status.STOPPING
    STOPPED = Status.STOPPED
    FAULTED = Status.FAULTED


class StopPolicies(models.TextChoices):
    """Stop policies, with labels."""

    KEEP = StopPolicy.KEEP, _("keep its orders")
    CANCEL_OWN = StopPolicy.CANCEL_OWN, _("cancel its orders")
    CANCEL_AND_CLOSE_OWN = StopPolicy.CANCEL_AND_CLOSE_OWN, _("cancel its orders and close its position")


class Accounts(models.TextChoices):
    """Accounts of a bot's ledger."""

    POSITION = LedgerAccount.POSITION
    TRADE_CLEARING = LedgerAccount.TRADE_CLEARING
    FEES = LedgerAccount.FEES
    FUNDING = LedgerAccount.FUNDING


class Bot(LeasedModel):
    """A bot: a strategy that trades one instrument from one wallet.

    Leased: at most one supervisor at a time runs it.
    """

    class Desired(models.TextChoices):
        """Desired state, as the owner set it."""

        RUNNING = "running"
        STOPPED = "stopped"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    wallet = models.ForeignKey("wallets.Wallet", on_delete=models.PROTECT, related_name="+")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    client_id = models.UUIDField(
        default=uuid.uuid4, editable=False
    )  # idempotency: a form that is sent twice creates one bot
    strategy = models.CharField(max_length=40)
    name = models.CharField(max_length=60)
    budget = models.DecimalField(**MONEY, help_text=_("in quote units"))
    leverage = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    # --- desired state ---
    desired = models.CharField(max_length=8, choices=Desired.choices, default=Desired.STOPPED)
    stop_policy = models.CharField(max_length=24, choices=StopPolicies.choices, blank=True)
    stop_reason = models.CharField(max_length=300, blank=True)
    inputs_version = models.PositiveIntegerField(default=1, help_text=_("newest version"))

    # --- current state, as last written by the supervisor ---
    status = models.CharField(max_length=8, choices=Statuses.choices, default=Statuses.STOPPED)
    reason = models.CharField(max_length=300, blank=True, help_text=_("why it is idle, stopped or faulted"))
    reason_at = models.DateTimeField(null=True, blank=True, help_text=_("when the reason was last true"))
    traceback = models.TextField(blank=True)
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
    """One version of a bot's inputs, in the JSON form of `dump_inputs`. Versions are added, never changed."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="inputs")
    version = models.PositiveIntegerField()
    inputs = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["bot", "version"], name="bots_inputs_version"),)

    def __str__(self) -> str:
        return f"version {self.version}"


class BotRun(models.Model):
    """One run of a bot, from its start to its end. The supervisor that executes it holds the bot's lease."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.JSONField(default=dict, help_text=_("JSON form of bots.domain.codec"))
    inputs_version = models.PositiveIntegerField(help_text=_("version used by the last decision"))
    code_hash = models.CharField(max_length=64, help_text=_("hash of the strategy's source"))
    last_decision = models.BigIntegerField(default=0, help_text=_("number of the newest journalled decision"))
    last_fill_id = models.BigIntegerField(default=0, help_text=_("newest fill delivered to the run"))
    crashes = models.JSONField(default=list, blank=True, help_text=_("times of recent crashes, ms"))
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)

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


class BotJournalEntry(models.Model):
    """Journal entry of a bot: a decision with its events and requests, or a line of text for users.

    A decision's `body` is {"format", "events", "tick", "inputs", "requests"}, encoded by `bots.domain.codec`.
    """

    class Kind(models.TextChoices):
        """Kinds of journal entries."""

        DECISION = "decision"
        STATUS = "status"
        INPUTS = "inputs"
        REQUEST = "request"  # a user started or stopped the bot

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="events")
    run = models.ForeignKey(BotRun, null=True, on_delete=models.PROTECT, related_name="events")
    number = models.BigIntegerField(null=True, help_text=_("of the decision within its run"))
    kind = models.CharField(max_length=8, choices=Kind.choices)
    text = models.CharField(max_length=300)
    body = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["run", "number"], name="bots_journal_decision_once"),)
        indexes = (models.Index(fields=["bot", "-id"], name="bots_journal_newest"),)
        triggers = (
            # Decisions of runs that ended more than a week ago may be deleted.
            Guard(
                name="append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF TG_OP = 'DELETE' AND OLD.kind = 'decision' AND EXISTS (
                      SELECT FROM bots_botrun WHERE id = OLD.run_id AND ended_at < now() - interval '7 days'
                    ) THEN
                      RETURN OLD;
                    END IF;
                    RAISE EXCEPTION 'the journal is append-only: % refused', TG_OP
                      USING ERRCODE = 'insufficient_privilege';
                """,
            ),
        )

    def __str__(self) -> str:
        return self.text


# --- ledger ----------------------------------------------------------------------------------------------
def position_matches_entries(operation: pgtrigger.Operation, condition: str | None = None) -> Guard:
    """Refuse, at commit, a position of a bot that differs from its entries, whichever of the two was written."""
    balance = "SELECT coalesce(sum(amount), 0) FROM bots_botbalance WHERE bot_id = NEW.bot_id AND account = 'position'"
    return Guard(
        name="position_matches_entries",
        when=pgtrigger.After,
        operation=operation,
        timing=pgtrigger.Deferred,
        condition=pgtrigger.Condition(condition) if condition else None,
        declare=[("off", "record")],
        func=f"""
            SELECT position.size - ({balance} AND asset = instrument.base) AS size,
                position.realised_pnl - position.cost - position.fees + position.funding
                - ({balance} AND asset = instrument.quote) AS money
              INTO off FROM bots_holderposition position
              JOIN market_instrument instrument ON instrument.id = position.instrument_id
              WHERE position.bot_id = NEW.bot_id;
            IF NOT FOUND THEN
              RAISE EXCEPTION 'bot % has entries and no position', NEW.bot_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries';
            ELSIF off.size <> 0 OR off.money <> 0 THEN
              RAISE EXCEPTION 'the position of bot % differs from its entries by % and %', NEW.bot_id, off.size, off.money
                USING ERRCODE = 'check_violation', CONSTRAINT = 'bots_position_matches_entries';
            END IF;
            RETURN NULL;
        """,  # noqa: S608 - no part of it is input
    )


class LedgerCursor(models.Model):
    """Ledger cursor of a wallet: how far its fills and funding were posted. Posting locks the row.

    It stores primary keys of fills and of ledger transactions: within one wallet both become visible in
    ascending order.
    """

    wallet = models.OneToOneField(
        "wallets.Wallet", primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    last_fill_id = models.BigIntegerField(default=0)
    last_funding_id = models.BigIntegerField(default=0, help_text=_("newest posted funding transaction"))
    last_funding_time = models.BigIntegerField(
        default=0, help_text=_("ms; time of the newest posted funding payment")
    )

    class Meta:
        triggers = (
            # A cursor that decreased would post again what is posted.
            Guard(
                name="cursor_increases",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF TG_OP = 'DELETE' OR NEW.last_fill_id < OLD.last_fill_id
                        OR NEW.last_funding_id < OLD.last_funding_id THEN
                      RAISE EXCEPTION 'a cursor only increases: % refused', TG_OP
                        USING ERRCODE = 'insufficient_privilege';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return f"fill {self.last_fill_id}"


class BotLedgerTransaction(models.Model):
    """Ledger transaction of a bot: one fill or funding share. A trigger enforces that its entries sum to zero
    per asset. Append-only.

    `ref` is unique per bot, so that a fill or share is posted once. If a late fill changes a share of a
    funding payment, a further transaction of the same `payment` corrects it.
    """

    class Kind(models.TextChoices):
        """Kinds of ledger transactions."""

        FILL = "fill"
        FUNDING = "funding"

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="ledger_transactions")
    ref = models.CharField(max_length=100)
    kind = models.CharField(max_length=7, choices=Kind.choices)
    payment = models.BigIntegerField(
        null=True, help_text=_("the wallet's transaction that this is a share of")
    )
    time = models.BigIntegerField(help_text=_("ms since 1970"))
    booked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["bot", "ref"], name="bots_transaction_once"),
            models.CheckConstraint(
                condition=Q(kind="fill", payment=None) | Q(kind="funding", payment__isnull=False),
                name="bots_transaction_kind",
            ),
        )
        indexes = (
            # Finds what was already posted of a payment, before it is split again.
            models.Index(
                fields=["payment"], condition=Q(payment__isnull=False), name="bots_transaction_payment"
            ),
        )
        triggers = (*append_only("ledger"), position_matches_entries(pgtrigger.Insert))

    def __str__(self) -> str:
        return self.ref


class BotLedgerEntry(models.Model):
    """Entry: an amount credited to (above zero) or debited from an account. Append-only, by trigger."""

    transaction = models.ForeignKey(BotLedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=14, choices=Accounts.choices)
    asset = models.CharField(max_length=40)
    amount = models.DecimalField(**MONEY)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(amount=0), name="bots_entry_amount"),
            models.CheckConstraint(condition=Q(account__in=Accounts.values), name="bots_entry_account"),
        )
        triggers = (
            *append_only("ledger"),
            zero_sum("bots_zero_sum"),
            balance_sum("bots_botbalance", "bot_id", "account", "asset"),
        )

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class BotBalance(models.Model):
    """Balance of one account: the sum of its entries, maintained by a trigger. Read-only."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="balances")
    account = models.CharField(max_length=14)
    asset = models.CharField(max_length=40)
    amount = models.DecimalField(**MONEY, default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["bot", "account", "asset"], name="bots_balance_key"),)
        triggers = (balances_derived(),)

    def __str__(self) -> str:
        return f"{self.account} {self.amount} {self.asset}"


class HolderPosition(models.Model):
    """Position and running PnL (`bots.domain.pnl.BotPnl`) of one holder on a wallet's instrument.

    A row without a bot is manual trading: orders that the user placed on a page or by the API. Only ledger
    posting writes it; at the end of that transaction a trigger compares a bot's row with its balances.
    """

    cursor = models.ForeignKey(LedgerCursor, on_delete=models.PROTECT, related_name="positions")
    instrument = models.ForeignKey("market.Instrument", on_delete=models.PROTECT, related_name="+")
    bot = models.OneToOneField(
        Bot, null=True, blank=True, on_delete=models.PROTECT, related_name="holder_position"
    )
    size = models.DecimalField(**MONEY, default=0)
    cost = models.DecimalField(**MONEY, default=0)
    realised_pnl = models.DecimalField(**MONEY, default=0)
    fees = models.DecimalField(**MONEY, default=0)
    funding = models.DecimalField(**MONEY, default=0)
    fills = models.PositiveBigIntegerField(default=0)
    round_trips = models.PositiveBigIntegerField(default=0)
    volume = models.DecimalField(**MONEY, default=0)
    peak = models.DecimalField(**MONEY, default=0)
    max_drawdown = models.DecimalField(**MONEY, default=0)
    time_in_market = models.BigIntegerField(default=0, help_text=_("ms"))
    updated_time = models.BigIntegerField(null=True, help_text=_("ms; of the newest fill or valuation"))
    closed_externally = models.DecimalField(
        **MONEY, default=0, help_text=_("part of size closed without an order placed here")
    )
    last_time = models.BigIntegerField(default=0, help_text=_("ms; of the newest fill: an older one is late"))
    last_ref = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["cursor", "instrument"], condition=Q(bot=None), name="bots_position_manual"
            ),
        )
        triggers = (
            position_matches_entries(pgtrigger.Insert | pgtrigger.Update, condition="NEW.bot_id IS NOT NULL"),
        )

    def __str__(self) -> str:
        return f"{self.size} of {self.bot_id or 'manual trading'}"
