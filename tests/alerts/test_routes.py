"""Which events alert, how bad they are, and what may happen to an alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.models import AlertState
from alerts.routes import (
    AlertEvent,
    AlertKind,
    Effect,
    Fact,
    decide,
    next_state,
    order_of,
    percent,
    resend_unknown_at,
)
from monitoring.engine.events import EventKind

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
WARNED = Fact("warned", "acc_1:7", "8410001", "daily_loss", "0", NOW, used=Decimal("0.83"), reason="equity is low")


@pytest.mark.parametrize(
    ("event", "effect", "kind"),
    [
        ("warned", Effect.FIRE, AlertKind.WARNING),
        ("stepped_up", Effect.STEP_UP, AlertKind.WARNING),
        ("cleared", Effect.CLEAR, AlertKind.WARNING),
        ("breached", Effect.BREACH, AlertKind.BREACH),
        ("resumed", Effect.RESUME, AlertKind.BREACH),
    ],
)
def test_what_an_event_asks_of_alerting(event: str, effect: Effect, kind: AlertKind) -> None:
    decision = decide(replace(WARNED, event=event))
    assert decision is not None
    assert (decision.effect, decision.kind) == (effect, kind)


@pytest.mark.parametrize("event", ["day_started", "stale", "fresh", "refused", "target_reached", "a_word_of_tomorrow"])
def test_events_that_nobody_is_told_of(event: str) -> None:
    assert decide(replace(WARNED, event=event)) is None


@pytest.mark.parametrize(
    ("used", "severity"),
    [("0.8000", "warning"), ("0.8999", "warning"), ("0.9000", "critical"), ("0.9500", "critical"), (None, "warning")],
)
def test_eighty_percent_is_a_warning_and_ninety_critical(used: str | None, severity: str) -> None:
    decision = decide(replace(WARNED, used=Decimal(used) if used else None))
    assert decision is not None
    assert decision.severity == severity


def test_a_breach_is_always_critical_and_says_what_follows() -> None:
    decision = decide(replace(WARNED, event="breached", consequence="pause", also=("max_loss",)))
    assert decision is not None
    assert decision.severity == "critical"
    assert "Also crossed: maximum loss." in decision.text
    assert "locks the account until the next trading day" in decision.text


def test_a_dry_run_says_that_nothing_was_closed() -> None:
    decision = decide(replace(WARNED, event="breached", mode="dry_run"))
    assert decision is not None
    assert decision.text.endswith("Dry run: nothing was closed or locked.")


def test_severity_is_no_part_of_the_dedup_key_but_account_challenge_rule_and_kind_are() -> None:
    def key(**other: object) -> str:
        decision = decide(replace(WARNED, **other))  # type: ignore[arg-type]
        assert decision is not None
        return decision.dedup_key

    assert key() == key(used=Decimal("0.97"), event="stepped_up")
    others = [{"scope": "acc_1:8"}, {"rule": "max_loss"}, {"rule_index": "1"}, {"event": "breached"}]
    assert len({key(), *(key(**other) for other in others)}) == 5


def test_events_of_one_instant_come_in_the_engines_order() -> None:
    shuffled = ["breached", "warned", "day_started", "stepped_up", "what", "cleared", "resumed"]
    assert sorted(shuffled, key=order_of) == [
        "day_started", "resumed", "cleared", "warned", "stepped_up", "breached", "what",
    ]  # fmt: skip


def test_percent_is_cut_and_never_rounded_up() -> None:
    assert [percent(Decimal(used)) for used in ("0.8999", "0.90", "1.0206", "0")] == [
        "89.9%",
        "90.0%",
        "102.0%",
        "0.0%",
    ]
    assert percent(None) == "—"


def test_only_a_critical_message_of_unknown_fate_goes_out_once_more() -> None:
    assert resend_unknown_at(AlertKind.BREACH, 0, NOW) == NOW + timedelta(seconds=30)
    assert resend_unknown_at(AlertKind.BREACH, 1, NOW) is None
    assert resend_unknown_at(AlertKind.WARNING, 0, NOW) is None


STEPS = st.lists(st.tuples(st.sampled_from(AlertEvent), st.booleans()), max_size=30)


@given(steps=STEPS)
def test_whatever_happens_an_alert_is_in_a_known_state_and_resolved_is_the_end(
    steps: list[tuple[AlertEvent, bool]],
) -> None:
    state = ""
    for event, rises in steps:
        after = next_state(state, event, rises=rises)
        if state == "resolved":
            assert after is None
        if after is None:
            continue
        assert after in AlertState.values
        if state == "acknowledged" and rises and event is not AlertEvent.RESOLVE:
            assert after == "firing"
        if after == "acknowledged" and state != "acknowledged":
            assert event is AlertEvent.ACKNOWLEDGE
        state = after


@given(
    event=st.sampled_from(EventKind), used=st.none() | st.decimals(0, 9, places=4), reason=st.text(), login=st.text()
)
def test_every_fact_has_an_answer_within_the_columns(
    event: EventKind, used: Decimal | None, reason: str, login: str
) -> None:
    decision = decide(replace(WARNED, event=event.value, used=used, reason=reason, login=login))
    if decision is not None:
        assert len(decision.title) <= 200
        assert len(decision.dedup_key) == 64
