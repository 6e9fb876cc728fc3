"""RiskDesk's settings: typed, from the environment or `.env`; a wrong value fails here, naming its variable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from zoneinfo import available_timezones

import plotly
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from riskdesk.env import Environment, kept_secret
from riskdesk.logs import configure_logging
from riskdesk.services import layout
from riskdesk.upstream import upstream_from
from riskdesk.urlforms import broker_url, database_from

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = env = Environment.load(BASE_DIR)

# -- where things are, and what they are called ------------------------------------------------------------------

RISKDESK_STATE_DIR = (BASE_DIR / env.text("RISKDESK_STATE_DIR", ".riskdesk")).resolve()
_journal_dir = env.text("RISKDESK_JOURNAL_DIR")
RISKDESK_JOURNAL_DIR = (BASE_DIR / _journal_dir).resolve() if _journal_dir else RISKDESK_STATE_DIR / "journal"
PORT = env.integer("PORT", 8000, low=1, high=65535)
RISKDESK_BIND = env.text("RISKDESK_BIND", "127.0.0.1")
RISKDESK_PUBLIC_URL = (
    env.url("RISKDESK_PUBLIC_URL", schemes=("http", "https")).rstrip("/") or f"http://127.0.0.1:{PORT}"
)
RISKDESK_RECORDING = env.flag("RISKDESK_RECORDING", False)  # write what the monitor applies to files, for `replay`
_recording_dir = env.text("RISKDESK_RECORDING_DIR")
RISKDESK_RECORDING_DIR = (BASE_DIR / _recording_dir).resolve() if _recording_dir else RISKDESK_STATE_DIR / "recordings"
RISKDESK_RECORDING_DAYS = env.integer("RISKDESK_RECORDING_DAYS", 30, low=1, high=3650)
RISKDESK_LAB_DAYS = env.integer("RISKDESK_LAB_DAYS", 90, low=1, high=3650)  # finished runs of the rule lab are kept
RISKDESK_SHARD = env.name("RISKDESK_SHARD", "main")
RISKDESK_MONITOR_PORT = env.integer("RISKDESK_MONITOR_PORT", 8102, low=0, high=65535)  # /healthz, /metrics; loopback
RISKDESK_TIME_ZONE = env.text("RISKDESK_TIME_ZONE", "Europe/Prague")
if RISKDESK_TIME_ZONE not in available_timezones():
    raise ImproperlyConfigured(f"RISKDESK_TIME_ZONE must be an IANA time zone, not {RISKDESK_TIME_ZONE!r}")

# -- the demo and the simulator ----------------------------------------------------------------------------------

RISKDESK_DEMO_ACCOUNTS = env.integer("RISKDESK_DEMO_ACCOUNTS", 200, low=1, high=100_000)
RISKDESK_DEMO_PASSWORD = env.secret("RISKDESK_DEMO_PASSWORD")
RISKDESK_DEMO_PASSWORD_FILE = RISKDESK_STATE_DIR / "demo_password"
RISKDESK_SIMULATOR_PORT = env.integer("RISKDESK_SIMULATOR_PORT", 8100, low=1, high=65535)
RISKDESK_SIMULATOR_CONTROL_PORT = env.integer("RISKDESK_SIMULATOR_CONTROL_PORT", 8101, low=1, high=65535)
RISKDESK_SIMULATOR_SEED = env.integer("RISKDESK_SIMULATOR_SEED", 7, low=0, high=2**31 - 1)
RISKDESK_SIMULATOR_RATE = env.number("RISKDESK_SIMULATOR_RATE", 1.0, low=0.01, high=100.0)
RISKDESK_SIMULATOR_SPEED = env.number("RISKDESK_SIMULATOR_SPEED", 1.0, low=0.1, high=3600.0)
RISKDESK_SIMULATOR_MARKET_START = env.instant("RISKDESK_SIMULATOR_MARKET_START")
RISKDESK_SIMULATOR_TICKS = env.files("RISKDESK_SIMULATOR_TICKS", BASE_DIR)

# -- the upstream, and what may be done to it --------------------------------------------------------------------

RISKDESK_UPSTREAM = upstream_from(env, RISKDESK_STATE_DIR, RISKDESK_SIMULATOR_PORT)
RISKDESK_DEFAULT_PLAN = env.text("RISKDESK_DEFAULT_PLAN", "two-step")
RISKDESK_ENFORCEMENT = env.choice("RISKDESK_ENFORCEMENT", "", ("", "live", "dry_run")) or (
    "live" if RISKDESK_UPSTREAM.is_simulator else "dry_run"
)
RISKDESK_SLACK_WEBHOOK_URL = env.secret_url("RISKDESK_SLACK_WEBHOOK_URL", schemes=("https", "http"))

# -- PostgreSQL and Redis ----------------------------------------------------------------------------------------

_embedded = layout(RISKDESK_STATE_DIR).urls
_database_url = env.secret_url("DATABASE_URL", schemes=("postgresql", "postgres"))
_redis_url = env.secret_url("REDIS_URL", schemes=("redis", "rediss", "unix"))
RISKDESK_EMBEDDED_POSTGRES = not _database_url
RISKDESK_EMBEDDED_REDIS = not _redis_url
DATABASE_URL = _database_url or _embedded.database_url
REDIS_URL = _redis_url or _embedded.redis_url
CELERY_BROKER_URL = broker_url(REDIS_URL)
DATABASES = {"default": database_from(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Django ------------------------------------------------------------------------------------------------------

DEBUG = env.flag("RISKDESK_DEBUG", False)
DEFAULT_EXCEPTION_REPORTER_FILTER = "riskdesk.errorpages.SecretsHidden"
SECRET_KEY = env.secret("RISKDESK_SECRET_KEY") or kept_secret(RISKDESK_STATE_DIR / "secret_key")
ALLOWED_HOSTS = env.hosts("RISKDESK_ALLOWED_HOSTS", RISKDESK_PUBLIC_URL)
ROOT_URLCONF = "riskdesk.urls"
ASGI_APPLICATION = "riskdesk.asgi.application"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

INSTALLED_APPS = [
    "daphne",  # first: its runserver replaces Django's
    "accounts.apps.BookAdminConfig",  # django.contrib.admin, behind the desk's gate
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "axes",
    "csp",
    "accounts.apps.AccountsConfig",
    "monitoring.apps.MonitoringConfig",
    "alerts.apps.AlertsConfig",
    "riskdesk.apps.RiskDeskConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "riskdesk.problems.problems_of_the_api",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",  # last, as its documentation asks
]

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
    }
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False  # one language; templates render a third faster without
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # a rule set of 100 rules with hours has thousands; its bytes are limited too
SESSION_ENGINE = "accounts.permissions.sessions"  # Django's own in the database, deaf to impossible keys

# -- static files: Daphne serves them through WhiteNoise ---------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = RISKDESK_STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "riskdesk.staticfiles.VendorFinder",
]
RISKDESK_VENDOR_FILES = {"vendor/plotly.min.js": Path(plotly.__file__).parent / "package_data" / "plotly.min.js"}
RISKDESK_STATIC_FILES = env.choice("RISKDESK_STATIC_FILES", "collected", ("collected", "sources"))
WHITENOISE_USE_FINDERS = RISKDESK_STATIC_FILES == "sources"
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if WHITENOISE_USE_FINDERS
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# -- security ----------------------------------------------------------------------------------------------------

_https = RISKDESK_PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [RISKDESK_PUBLIC_URL]
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
# With an https address the desk stands behind a proxy that ends TLS and sets this header (README, production).
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {  # chart pages add two hashes to style-src by decorator (monitoring/charts.py)
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "media-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # trying again while locked does not prolong the lock
AXES_ENABLE_ADMIN = False  # to delete an attempt there would lift a lock without an audit entry: `manage.py axes_reset`
AXES_LOCKOUT_TEMPLATE = "accounts/locked.html"

# -- logging -----------------------------------------------------------------------------------------------------

RISKDESK_LOG_LEVEL = env.choice("RISKDESK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
RISKDESK_LOG_FORMAT = env.choice("RISKDESK_LOG_FORMAT", "console", ("console", "json"))
LOGGING_CONFIG = None
LOGGING = configure_logging(RISKDESK_LOG_LEVEL, RISKDESK_LOG_FORMAT)
