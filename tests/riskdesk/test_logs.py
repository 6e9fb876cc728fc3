"""No secret reaches a log line."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from riskdesk.logs import MASK, mask_secrets


@pytest.mark.parametrize("name", ["password", "api_key", "RISKDESK_UPSTREAM_KEY", "slack_webhook_url", "key", "token"])
def test_a_field_that_speaks_of_a_secret_is_masked(name: str) -> None:
    event = mask_secrets(None, "info", {name: "s3cret", "event": "connected", "account": 7})
    assert event == {name: MASK, "event": "connected", "account": 7}


def test_request_lines_with_whole_addresses_are_not_logged() -> None:
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variable(form: str) -> None:
    script = (
        f"FORM = {form!r}\n"
        "import logging; from riskdesk.logs import configure_logging; configure_logging('INFO', FORM)\n"
        "def connect():\n    upstream_key = 'sesame' + 'open'\n    return 1 / 0\n"
        "try: connect()\nexcept ZeroDivisionError: logging.getLogger('x').exception('failed')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "ZeroDivisionError" in done.stderr
    assert "sesameopen" not in done.stderr
