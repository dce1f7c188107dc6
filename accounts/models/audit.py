"""Models of the audit log. Only `accounts.audit` writes them."""

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.triggers import Guard, append_only


class AuditHead(models.Model):
    """Head of the audit chain: a single row; the row lock serialises the writers."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="accounts_audit_one_head"),)
        triggers = (
            *append_only("audit trail", refused=pgtrigger.Delete),
            Guard(
                name="forward",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                    IF NEW.seq <> OLD.seq + 1 OR NEW.id <> OLD.id THEN
                      RAISE EXCEPTION 'the head of the audit trail only moves forward'
                        USING ERRCODE = 'insufficient_privilege';
                    END IF;
                    RETURN NEW;
                """,
            ),
        )

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class AuditEntry(models.Model):
    """One recorded action. Append-only (trigger) and hash-chained; written by `accounts.audit`.

    `actor` is not a foreign key: entries outlive the deletion of their user.
    """

    seq = models.BigIntegerField(primary_key=True, editable=False)
    recorded_at = models.DateTimeField()
    actor = models.UUIDField(null=True, help_text=_("id of the acting user; empty for anonymous actions"))
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, help_text=_('the affected object as "kind:id"'))
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = _("audit entries")
        indexes = (
            models.Index(fields=["actor", "-seq"], name="accounts_audit_actor"),  # activity page
            models.Index(fields=["subject", "-seq"], name="accounts_audit_subject"),
            models.Index(fields=["action", "-seq"], name="accounts_audit_action"),
        )
        triggers = append_only("audit trail")

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"
