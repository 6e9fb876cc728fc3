"""The demo is alive: a newcomer sees a warning, a breach and its enforcement within two minutes of the ready line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.whole import WholeDesk, whole_desk
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
WITHIN = 120.0  # seconds from the ready line


def test_the_demo_shows_a_warning_a_breach_and_its_enforcement_within_two_minutes(tmp_path: Path) -> None:
    with whole_desk(tmp_path, accounts=60) as desk:
        warned = happened(desk, "SELECT 1 FROM monitoring_riskevent WHERE event = 'warned'")
        breached = happened(desk, "SELECT 1 FROM monitoring_riskevent WHERE event = 'breached'")
        locked = happened(desk, "SELECT 1 FROM monitoring_enforcement WHERE state = 'locked'")
        print(f"after the ready line: warned {warned:.0f} s, breached {breached:.0f} s, flat and locked {locked:.0f} s")
        (account,) = desk.query(
            "SELECT a.upstream_id FROM monitoring_enforcement e JOIN accounts_account a ON a.id = e.account_id "
            "WHERE e.state = 'locked' LIMIT 1"
        )
        assert desk.flat_and_locked(account["upstream_id"])
        eventually(
            lambda: len(desk.messages(account["upstream_id"])) >= 2, within=20, what="a warning and a breach told"
        )


def happened(desk: WholeDesk, sql: str) -> float:
    """Seconds from the ready line until there is such a row."""
    left = desk.ready_at + WITHIN - time.monotonic()
    eventually(lambda: desk.query(sql), within=max(left, 0), every=0.25, what=sql)
    return time.monotonic() - desk.ready_at
