"""Sessions in PostgreSQL, as Django keeps them; a cookie that names no possible session is nobody's, not a defect."""

from __future__ import annotations

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

_KEY = re.compile(r"[0-9A-Za-z]{8,40}")  # what Django makes, and what the tests' own keys look like


class SessionStore(DatabaseStore):
    """Django's own; PostgreSQL refuses a NUL, which a quoted cookie can carry."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Whether it could be a session's."""
        return key is not None and _KEY.fullmatch(key) is not None
