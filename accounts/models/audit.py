"""The audit trail. Written by `accounts.audit` alone."""

from django.db import models


class AuditHead(models.Model):
    """The end of the audit chain: one row, whose lock puts the writers in line."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="accounts_audit_one_head"),)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


class AuditEntry(models.Model):
    """Something that somebody did. Append-only (trigger) and hash-chained; written by `accounts.audit`.

    `actor` is not a foreign key: what was done stays when the person goes.
    """

    seq = models.BigIntegerField(primary_key=True, editable=False)
    recorded_at = models.DateTimeField()
    actor = models.UUIDField(null=True, help_text="the user who did it; empty: nobody was signed in")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, help_text='what it was done to, as "kind:id"')
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["actor", "-seq"], name="accounts_audit_actor"),  # one's own trail
            models.Index(fields=["subject", "-seq"], name="accounts_audit_subject"),
            models.Index(fields=["action", "-seq"], name="accounts_audit_action"),
        )

    def __str__(self) -> str:
        return f"{self.seq} {self.action} {self.subject}"
