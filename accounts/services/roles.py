"""Roles, activation and names of users. A changed role or a disabled user revokes all credentials."""

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from accounts.audit import AuditAction, record
from accounts.domain.permissions import STAFF_ROLES, Role
from accounts.models import User
from accounts.selectors import role_of
from accounts.services.sessions import credentials_end_all


@transaction.atomic
def role_set(*, user: User, role: Role, actor: User | None, request: HttpRequest | None = None) -> bool:
    """Give the user exactly this role. False if it is the user's role already."""
    if role is Role.PUBLIC:
        raise ValueError("the role public cannot be assigned; disable the user instead")
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    before = role_of(user)
    if before is role:
        return False
    user.groups.set([Group.objects.get_or_create(name=role.value)[0]])
    user.is_staff = role in STAFF_ROLES
    user.is_superuser = role is Role.ADMINISTRATOR
    user.save(update_fields=["is_staff", "is_superuser"])
    data = {"from": before.value, "to": role.value}
    credentials_end_all(user=user, reason="role changed", actor=actor, request=request)
    subject = f"user:{user.pk}"
    record(action=AuditAction.ROLE_CHANGED, actor=actor, subject=subject, data=data, request=request)
    return True


@transaction.atomic
def user_disable(*, user: User, actor: User | None, request: HttpRequest | None = None) -> bool:
    """Deactivate the user and revoke all credentials. False if the user is inactive already."""
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        return False
    user.is_active = False
    credentials_end_all(user=user, reason="disabled", actor=actor, request=request)
    record(action=AuditAction.USER_DISABLED, actor=actor, subject=f"user:{user.pk}", request=request)
    return True


@transaction.atomic
def user_enable(*, user: User, actor: User | None, request: HttpRequest | None = None) -> bool:
    """Reactivate the user. False if the user is active already. Revoked credentials stay revoked."""
    if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        return False
    user.is_active = True
    record(action=AuditAction.USER_ENABLED, actor=actor, subject=f"user:{user.pk}", request=request)
    return True


@transaction.atomic
def user_rename(*, user: User, name: str, request: HttpRequest | None = None) -> None:
    """Change the display name."""
    user.name = name
    user.save(update_fields=["name"])
    record(
        action=AuditAction.USER_CHANGED,
        actor=user,
        subject=f"user:{user.pk}",
        data={"changed": ["name"]},
        request=request,
    )
