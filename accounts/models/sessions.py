"""A sign-in, from a browser or a program. Every credential but an API key hangs on one of these rows."""

import uuid
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.models.users import User

LONGEST = timedelta(days=30)  # however busy it is
IDLE = timedelta(days=14)


class AuthSessionQuerySet(models.QuerySet["AuthSession"]):
    """Sessions by what may still be done with them."""

    def open_at(self, now: datetime) -> "AuthSessionQuerySet":
        """Neither revoked nor too old, of users who are not switched off. The password is not compared."""
        return self.filter(
            revoked_at=None,
            created_at__gt=now - LONGEST,
            last_seen_at__gt=now - IDLE,
            user__is_active=True,
        )


class AuthSession(models.Model):
    """`sid` is in the session cookie's data and in every token; a token whose row is not open is refused.

    Refresh tokens rotate: exactly one, `refresh_jti`, is good at a time. `refresh_previous` was good
    until `refresh_rotated_at`. `password_mark` is of the password that the session began with.
    """

    class Kind(models.TextChoices):
        WEB = "web", "browser"
        API = "api", "program"

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
    password_mark = models.CharField(max_length=64, editable=False)
    refresh_jti = models.CharField(max_length=32, blank=True, editable=False)
    refresh_previous = models.CharField(max_length=32, blank=True, editable=False)
    refresh_rotated_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["AuthSession"]] = AuthSessionQuerySet.as_manager()

    class Meta:
        ordering = ("-last_seen_at",)
        indexes = (
            # The sessions page, and ending all sessions of a user.
            models.Index(fields=["user"], condition=models.Q(revoked_at=None), name="auth_session_open"),
            # The clean-up of dead sessions.
            models.Index(fields=["last_seen_at"], name="auth_session_last_seen"),
        )
        constraints = (
            models.CheckConstraint(condition=models.Q(kind__in=["web", "api"]), name="auth_session_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind} session {self.sid}"
