from accounts.models.api_keys import ApiKey
from accounts.models.audit import AuditEntry, AuditHead
from accounts.models.sessions import AuthSession
from accounts.models.users import User, UserManager

__all__ = ["ApiKey", "AuditEntry", "AuditHead", "AuthSession", "User", "UserManager"]
