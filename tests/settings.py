"""The settings of the test run: a state dir of its own, no setting of the developer's, quick passwords."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OURS = ("RISKDESK_", "DATABASE_URL", "REDIS_URL", "PORT")
for name in [name for name in os.environ if name.startswith(OURS[0]) or name in OURS[1:]]:
    if name not in {"RISKDESK_TEST_STATE_DIR", "RISKDESK_CHROMIUM"}:
        del os.environ[name]
os.environ["RISKDESK_ENV_FILE"] = ""
# A short path: a unix socket's has 107 bytes at most. Emptied by tests/conftest.py at the end of the run.
TEST_STATE_DIR = Path(os.environ.get("RISKDESK_TEST_STATE_DIR") or tempfile.mkdtemp(prefix="rdt-")).resolve()
os.environ["RISKDESK_STATE_DIR"] = str(TEST_STATE_DIR)
os.environ["RISKDESK_STATIC_FILES"] = "sources"

from riskdesk.settings import *  # noqa: E402, F403
from riskdesk.settings import DATABASES  # noqa: E402

DATABASES["default"]["CONN_MAX_AGE"] = 0  # a test's thread must not keep the test database open
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; the default one in every real process
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
