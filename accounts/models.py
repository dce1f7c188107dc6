import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Creates users whose e-mail address is their name."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Signs in with an e-mail address, compared without regard to case."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=80, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (models.UniqueConstraint(Lower("email"), name="accounts_user_email_ci"),)

    def __str__(self) -> str:
        return self.email


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
