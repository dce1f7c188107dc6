"""Model of login sessions. Every credential of a browser or API client, except API keys, refers to a row."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User

ABSOLUTE_LIFETIME = timedelta(days=30)  # regardless of activity
IDLE_TIMEOUT = timedelta(days=14)


class AuthSessionQuerySet(models.QuerySet["AuthSession"]):
    """Session queries by validity."""

    def open_at(self, now: datetime) -> "AuthSessionQuerySet":
        """Sessions of active users that are neither revoked nor expired. The password is not compared."""
        return self.filter(
            revoked_at=None,
            created_at__gt=now - ABSOLUTE_LIFETIME,
            last_seen_at__gt=now - IDLE_TIMEOUT,
            user__is_active=True,
        )


class AuthSession(models.Model):
    """Login session. Its `sid` is in the Django session and in every token; both need an open row.

    Refresh tokens rotate: exactly one, `refresh_jti`, is valid at a time. `refresh_previous` was valid
    until `refresh_rotated_at`. `password_fingerprint` identifies the password that the session began with.
    """

    class Kind(models.TextChoices):
        WEB = "web", _("browser")
        API = "api", _("API client")

    sid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="auth_sessions")
    kind = models.CharField(max_length=3, choices=Kind.choices)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    second_factor_at = models.DateTimeField(null=True, blank=True)
    step_up_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=60, blank=True)
    password_fingerprint = models.CharField(max_length=64, editable=False)
    refresh_jti = models.CharField(max_length=32, blank=True, editable=False)
    refresh_previous = models.CharField(max_length=32, blank=True, editable=False)
    refresh_rotated_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["AuthSession"]] = AuthSessionQuerySet.as_manager()

    class Meta:
        ordering = ("-last_seen_at",)
        indexes = (
            # For the sessions page and for revoking all sessions of a user.
            models.Index(fields=["user"], condition=models.Q(revoked_at=None), name="auth_session_open"),
            # For the clean-up of expired sessions.
            models.Index(fields=["last_seen_at"], name="auth_session_last_seen"),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(kind__in=["web", "api"]), name="auth_session_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind} session {self.sid}"
