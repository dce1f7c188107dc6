"""Services of accounts: everything that changes users and credentials, and principals of websockets."""

from accounts.services.account import DeletionRefused, account_ending
from accounts.services.api_keys import (
    TooManyKeys,
    api_key_create,
    api_key_rename,
    api_key_revoke,
    api_key_touch,
)
from accounts.services.cleanup import expired_delete
from accounts.services.login import EmailUnverified, LoginRejected, SecondFactorMissing, api_login
from accounts.services.login_links import login_code_create, login_code_redeem
from accounts.services.passwords import PasswordRefused, password_change
from accounts.services.principals import Principal, principal_from_session, principal_from_token
from accounts.services.roles import role_set, user_disable, user_enable, user_rename
from accounts.services.second_factor import (
    SecondFactorRefused,
    second_factor_disable,
    second_factor_enable,
    second_factor_setup,
    second_factor_state,
)
from accounts.services.sessions import (
    SID,
    SIGNED_OUT,
    credentials_end_all,
    session_is_active,
    session_open,
    session_revoke,
    session_touch,
    sessions_revoke_all,
)
from accounts.services.signup import SignUpInvalid, VerificationFailed, sign_up, verification_finish
from accounts.services.step_up import LimitReached, second_factor_check, step_up_is_fresh, step_up_pass
from accounts.services.tokens import InvalidCredential, TokenPair, access_read, tokens_issue, tokens_refresh

__all__ = [
    "SID",
    "SIGNED_OUT",
    "DeletionRefused",
    "EmailUnverified",
    "InvalidCredential",
    "LimitReached",
    "LoginRejected",
    "PasswordRefused",
    "Principal",
    "SecondFactorMissing",
    "SecondFactorRefused",
    "SignUpInvalid",
    "TokenPair",
    "TooManyKeys",
    "VerificationFailed",
    "access_read",
    "account_ending",
    "api_key_create",
    "api_key_rename",
    "api_key_revoke",
    "api_key_touch",
    "api_login",
    "credentials_end_all",
    "expired_delete",
    "login_code_create",
    "login_code_redeem",
    "password_change",
    "principal_from_session",
    "principal_from_token",
    "role_set",
    "second_factor_check",
    "second_factor_disable",
    "second_factor_enable",
    "second_factor_setup",
    "second_factor_state",
    "session_is_active",
    "session_open",
    "session_revoke",
    "session_touch",
    "sessions_revoke_all",
    "sign_up",
    "step_up_is_fresh",
    "step_up_pass",
    "tokens_issue",
    "tokens_refresh",
    "user_disable",
    "user_enable",
    "user_rename",
    "verification_finish",
]
