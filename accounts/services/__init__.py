"""What changes about users and their credentials, and who is behind one."""

from accounts.services.account import DeletionRefused, account_ending
from accounts.services.api_keys import (
    TooManyKeys,
    api_key_create,
    api_key_rename,
    api_key_revoke,
    api_key_used,
)
from accounts.services.cleanup import expired_remove
from accounts.services.login import EmailUnverified, SecondFactorMissing, SignInRefused, program_sign_in
from accounts.services.login_links import sign_in_code_mint, sign_in_code_redeem
from accounts.services.passwords import PasswordRefused, password_change
from accounts.services.principals import Principal, session_user, token_user
from accounts.services.roles import role_set, user_disable, user_enable, user_rename
from accounts.services.second_factor import (
    SecondFactorRefused,
    second_factor_disable,
    second_factor_enable,
    second_factor_offer,
    second_factor_state,
)
from accounts.services.sessions import (
    SID,
    SIGNED_OUT,
    credentials_end_all,
    session_is_live,
    session_open,
    session_revoke,
    session_seen,
    sessions_revoke_all,
)
from accounts.services.signup import SignUpInvalid, VerificationFailed, sign_up, verification_finish
from accounts.services.step_up import LimitReached, second_factor_check, step_up_is_fresh, step_up_pass
from accounts.services.tokens import CredentialRefused, TokenPair, access_read, tokens_issue, tokens_refresh

__all__ = [
    "SID",
    "SIGNED_OUT",
    "CredentialRefused",
    "DeletionRefused",
    "EmailUnverified",
    "LimitReached",
    "PasswordRefused",
    "Principal",
    "SecondFactorMissing",
    "SecondFactorRefused",
    "SignInRefused",
    "SignUpInvalid",
    "TokenPair",
    "TooManyKeys",
    "VerificationFailed",
    "access_read",
    "account_ending",
    "api_key_create",
    "api_key_rename",
    "api_key_revoke",
    "api_key_used",
    "credentials_end_all",
    "expired_remove",
    "password_change",
    "program_sign_in",
    "role_set",
    "second_factor_check",
    "second_factor_disable",
    "second_factor_enable",
    "second_factor_offer",
    "second_factor_state",
    "session_is_live",
    "session_open",
    "session_revoke",
    "session_seen",
    "session_user",
    "sessions_revoke_all",
    "sign_in_code_mint",
    "sign_in_code_redeem",
    "sign_up",
    "step_up_is_fresh",
    "step_up_pass",
    "token_user",
    "tokens_issue",
    "tokens_refresh",
    "user_disable",
    "user_enable",
    "user_rename",
    "verification_finish",
]
