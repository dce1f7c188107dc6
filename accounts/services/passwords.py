"""Password change."""

from allauth.account.adapter import get_adapter
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.audit import AuditAction, record
from accounts.models import AuthSession
from accounts.services.sessions import credentials_end_all
from accounts.services.step_up import step_up_attempt_count


class PasswordRefused(Exception):
    """The password change is refused: `field` is `current` or `new`, `reasons` are messages for the user."""

    def __init__(self, field: str, reasons: list[str]) -> None:
        super().__init__(field)
        self.field, self.reasons = field, reasons


def password_change(*, session: AuthSession, current: str, new: str, request: HttpRequest) -> None:
    """Set a new password; revoke other sessions and all keys. Raises `PasswordRefused`, `LimitReached`."""
    user = session.user
    step_up_attempt_count(user)
    if not user.check_password(current):
        raise PasswordRefused("current", [gettext("Incorrect password.")])
    try:
        get_adapter(request).clean_password(new, user=user)
    except ValidationError as error:
        raise PasswordRefused("new", list(error.messages)) from None
    user.set_password(new)
    with transaction.atomic():
        user.save(update_fields=["password"])
        credentials_end_all(
            user=user, reason="password changed", except_sid=session.sid, actor=user, request=request
        )
        record(action=AuditAction.PASSWORD_CHANGED, actor=user, subject=f"user:{user.pk}", request=request)
