"""Rows say what the engine's readings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.engine.messages import AccountFigures, AccountUpdate, Link
from monitoring.engine.rules import process, readings
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Account, Snapshot
from monitoring.live.publish import AccountRow
from monitoring.live.publish.rows import Face, account_row, severity_of
from tests.monitoring.live.book import DOCUMENT, TRAILING

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
RULE_SET = parse_rule_set(
    {
        "version": 1, "currency": "USD", "initial_balance": "100000.00", **DOCUMENT,
        "rules": [*DOCUMENT["rules"], TRAILING],
    }
)  # fmt: skip
FACE = Face.of_rules(
    RULE_SET, public_id="a", login="1", server="main", trader="T", trader_id=None, plan="P", phase="One"
)


def account_after(*equities: float, balance: float = 100_000.0) -> Account:
    """An account that showed these equities, a second apart."""
    snapshot = Snapshot("main")
    account = snapshot.add("a", RULE_SET, challenge="c1")
    process(snapshot, Link(ts=AT, state="connected"))
    for number, equity in enumerate(equities):
        ts = AT + timedelta(seconds=number)
        figures = AccountFigures(balance=balance, equity=equity)
        process(snapshot, AccountUpdate(account_id="a", ts=ts, seq=number + 1, data=figures))
    return account


def row_of(account: Account, now: datetime) -> AccountRow:
    """The account's row."""
    return account_row(account, FACE, now, rev=1, enforcement="", enforcement_mode="live")


cents = st.integers(8_900_000, 11_500_000).map(lambda minor: minor / 100)


@settings(max_examples=300, deadline=None)
@given(st.lists(cents, min_size=1, max_size=5), st.integers(0, 60))
def test_a_row_says_what_the_engine_reads(equities: list[float], later: int) -> None:
    account = account_after(*equities)
    now = AT + timedelta(seconds=len(equities) + later)
    row, engine = row_of(account, now), readings(account, now)
    assert [(r.rule, r.index, r.state, r.floor, r.measured, r.anchor, r.room, r.operator) for r in row.readings] == [
        (e.rule, e.index, e.state.value, e.floor, e.measured, e.anchor, e.room, e.operator) for e in engine
    ]
    for shown, exact in zip(row.readings, engine, strict=True):
        assert abs(shown.used - exact.used * 10_000) <= 0.5
    assert row.headroom == min(e.room for e in engine)
    assert row.equity == round(equities[-1] * 100)
    assert row.state in {"ok", "warned", "breached", "unknown"}


@pytest.mark.parametrize(
    ("points", "severity"),
    [(0, 0), (4_999, 0), (5_000, 1), (7_999, 1), (8_000, 2), (8_999, 2), (9_000, 3), (10_000, 3)],
)
def test_severity_by_share_of_the_limit(points: int, severity: int) -> None:
    assert severity_of(points, RULE_SET) == severity


def test_a_breach_shows_its_own_reason_and_stays_at_the_top() -> None:
    account = account_after(94_000.0, 99_000.0)
    row = row_of(account, AT + timedelta(seconds=2))
    assert (row.severity, row.state) == (4, "breached")
    assert row.reason.startswith("equity 94,000.00 is below the daily floor 95,000.00")
    assert row.breached_today
    tomorrow = AT + timedelta(days=1)
    figures = AccountFigures(balance=99_000.0, equity=99_000.0)
    snapshot = Snapshot("main")
    later = snapshot.add("a", RULE_SET, challenge="c1", state=account.dump())
    process(snapshot, AccountUpdate(account_id="a", ts=tomorrow, seq=9, data=figures))
    row = row_of(later, tomorrow)
    assert (row.state, row.breached_today) == ("breached", False)


def test_an_account_without_figures_is_never_safe() -> None:
    snapshot = Snapshot("main")
    row = row_of(snapshot.add("a", RULE_SET, challenge="c1"), AT)
    assert (row.state, row.stale, row.readings) == ("unknown", True, [])


def test_review_is_no_breach() -> None:
    snapshot = Snapshot("main")
    account = snapshot.add("a", RULE_SET, challenge="c1")
    account.hold_for_review("beyond a floor at adoption")
    process(snapshot, AccountUpdate(account_id="a", ts=AT, seq=1, data=AccountFigures(balance=1e5, equity=8e4)))
    row = row_of(account, AT)
    assert (row.state, row.severity, row.reason) == ("review", 3, "beyond a floor at adoption")
