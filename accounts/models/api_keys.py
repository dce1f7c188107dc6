"""Model of personal API keys."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User


class ApiKey(models.Model):
    """API key of a user. Only its hash is stored; `hint` is its first characters, for display."""

    class Scope(models.TextChoices):
        READ = "read", _("Read your data")
        TRADE = "trade", _("Place and cancel orders")
        BOTS = "bots", _("Start, stop and change bots")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=60)
    hint = models.CharField(max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_address = models.CharField(max_length=45, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        ordering = ("-created_at",)
        indexes = (
            # For revoking and for counting the keys of a user.
            models.Index(fields=["user"], condition=models.Q(revoked_at=None), name="api_key_open"),
        )
        constraints = (
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=["read", "trade", "bots"], scopes__len__gt=0),
                name="api_key_scopes",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
