"""Settings of this app, with their defaults; `cryptotrade.settings` includes them. Environment: `.env.example`."""

import os
from datetime import timedelta

from core import env

PRODUCTION = env.flag("PRODUCTION", default=False)
VAR_DIR = env.var_dir()

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first, so that a locked-out login costs no password hash
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["accounts.hashers.PooledBcryptHasher"]
HASH_THREADS = env.number("HASH_THREADS", max(1, (os.cpu_count() or 2) - 1))
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "name"]},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    # The 20,000 most frequent passwords of public breaches, shipped with Django: no external service is used.
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/market/"
LOGOUT_REDIRECT_URL = "/"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"  # a websocket handshake reads Redis
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_NAME = "__Host-session" if PRODUCTION else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if PRODUCTION else "csrftoken"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no separate cookie
CSRF_FAILURE_VIEW = "cryptotrade.errors.csrf_failure"
# Token cookies of browsers. The prefix `__Host-` would forbid the narrow path of the refresh token.
ACCESS_COOKIE = "__Host-access" if PRODUCTION else "access"
REFRESH_COOKIE = "__Secure-refresh" if PRODUCTION else "refresh"
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": env.secret("JWT_SIGNING_KEY", folder=VAR_DIR / "secrets") or "",
    "AUDIENCE": "cryptotrade",
    "ISSUER": "cryptotrade",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=30),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "USER_ID_FIELD": "id",
}

# --- sign-up, sign-in, recovery: django-allauth ------------------------------------------------
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 600
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = ACCOUNT_PASSWORD_RESET_BY_CODE_MAX_ATTEMPTS = 3
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
ACCOUNT_CHANGE_EMAIL = True  # a new address replaces the old one once its code has been entered
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignInForm",
    "signup": "accounts.forms.SignUpForm",
    "confirm_email_verification_code": "accounts.forms.VerifyForm",
    "reset_password": "accounts.forms.RecoverForm",
    "confirm_password_reset_code": "accounts.forms.RecoverCodeForm",
    "reset_password_from_key": "accounts.forms.NewPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "add_email": "accounts.forms.ChangeEmailForm",
}
# The rate limiter (core/rate_limits.py) counts requests. The limits below count per mailbox and, for
# second factors, per user, so that guesses from many addresses add up.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "signup": None,
    "reset_password_from_key": None,
    "change_password": None,
    "manage_email": None,
    "reauthenticate": None,
    "login_failed": "5/300s/key",
    "confirm_email": "3/10m/key",
    "reset_password": "3/10m/key",
}
MFA_ADAPTER = "accounts.adapter.MfaAdapter"
MFA_KEY = env.secret("MFA_KEY", folder=VAR_DIR / "secrets") or ""  # encrypts seeds; "new,old" to rotate
MFA_FORMS = {
    "authenticate": "accounts.forms.SecondFactorForm",
    "activate_totp": "accounts.forms.EnableTotpForm",
    "add_webauthn": "accounts.forms.AddPasskeyForm",
    "authenticate_webauthn": "accounts.forms.PasskeyFactorForm",
    "login_webauthn": "accounts.forms.PasskeySignInForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "CryptoTrade"
MFA_TOTP_TOLERANCE = 1  # 30 s either way; no code is accepted twice (accounts/totp_secrets.py)
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION  # http://localhost
MFA_REAUTHENTICATION_REQUIRED = False  # accounts/step_up.py requires recent authentication instead

# --- lockout: django-axes ----------------------------------------------------------------------
# Counted per account *and* address: an attacker is locked out, but not the owner at another address.
AXES_HANDLER = "accounts.lockout.LockoutHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "accounts.adapter.attempted_email"
AXES_CLIENT_IP_CALLABLE = "core.rate_limits.client_address"
AXES_LOCKOUT_CALLABLE = "cryptotrade.errors.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "email", "login", "code", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # sessions and the audit log record logins
AXES_VERBOSE = AXES_ENABLE_ADMIN = False
