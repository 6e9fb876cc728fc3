"""No secret reaches a log line."""

from __future__ import annotations

import logging

import pytest

from riskdesk.logs import MASK, mask_secrets


@pytest.mark.parametrize("name", ["password", "api_key", "RISKDESK_UPSTREAM_KEY", "slack_webhook_url", "key", "token"])
def test_a_field_that_speaks_of_a_secret_is_masked(name: str) -> None:
    event = mask_secrets(None, "info", {name: "s3cret", "event": "connected", "account": 7})
    assert event == {name: MASK, "event": "connected", "account": 7}


def test_request_lines_with_whole_addresses_are_not_logged() -> None:
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
