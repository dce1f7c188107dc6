"""Use of a recovery code, recorded in the transaction that uses it up."""

from collections.abc import Callable

from allauth.core import context
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.db import transaction

from accounts.audit import AuditAction, record


def install_recovery_code_audit() -> None:
    """Extend allauth's check on all its code paths: login by page and by API, step-up by page and by API."""
    RecoveryCodes.validate_code = _recorded(RecoveryCodes.validate_code)


def _recorded(
    validate: Callable[[RecoveryCodes, str], bool],
) -> Callable[[RecoveryCodes, str], bool]:
    @transaction.atomic
    def validate_code(codes: RecoveryCodes, code: str) -> bool:
        if not validate(codes, code):
            return False
        user = codes.instance.user
        record(
            action=AuditAction.RECOVERY_CODE_USED,
            actor=user,
            subject=f"user:{user.pk}",
            data={"left": len(codes.get_unused_codes())},
            request=context.request,
        )
        return True

    return validate_code
