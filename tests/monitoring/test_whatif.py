"""Who would be warned or breached by other rules now: from checkpoints, by the engine, changing nothing."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from accounts import challenges as book
from accounts import overrides, plans, symbols
from accounts.models import Challenge, ChallengeState, Phase, Role, RuleSet, Server, User
from monitoring import whatif
from monitoring.engine.messages import AccountFigures, AccountUpdate, Link, Position, PositionOpened
from monitoring.engine.rules import process
from monitoring.engine.ruleset import parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.live.checkpoint import pack_state
from monitoring.models import Checkpoint
from monitoring.whatif import Verdict

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
pack = msgspec.msgpack.encode


@pytest.fixture
def phase(db: None) -> Phase:
    return plans.ensure_default_plans().phases.get(slug="phase-1")


def started(name: str, size: str = "100000.00") -> Challenge:
    """A running challenge of two-step, phase 1."""
    server, _ = Server.objects.get_or_create(name="sim", defaults={"kind": "simulator"})
    return book.adopt(
        server, upstream_id=name, login=name, group="", holder="L. Fischer", currency="USD", balance=Decimal(size),
        at=NOW - timedelta(days=1),
    )  # fmt: skip


def at_equity(challenge: Challenge, equity: float, *, at: datetime = NOW, positions: tuple[Position, ...] = ()) -> None:
    """Its checkpoint after the monitor has seen that equity, balance 100,000.00."""
    name = challenge.account.upstream_id
    snapshot = Snapshot("sim")
    process(snapshot, Link(ts=at - timedelta(hours=1), state="connected"))
    rules = parse_rule_set(book.rule_set_document(challenge))
    account = snapshot.add(name, rules, challenge=f"c{challenge.pk}", created=challenge.started_at)
    for step, value in enumerate((100_000.0, equity)):
        data = AccountFigures(balance=100_000.0, equity=value)
        process(snapshot, AccountUpdate(account_id=name, ts=at - timedelta(seconds=1 - step), data=data))
    for position in positions:
        process(snapshot, PositionOpened(account_id=name, ts=at, data=position))
    Checkpoint.objects.update_or_create(
        account=challenge.account,
        defaults={"epoch": 1, "version": 1, "state": pack_state(account.dump()), "saved_at": at},
    )


def version(phase: Phase, **changes: Any) -> RuleSet:
    """The next version, not stored: the daily loss changed, or rules added."""
    document = deepcopy(phase.rule_sets.get(version=1).document)
    if "percent" in changes:
        document["rules"][0]["amount"]["percent"] = changes["percent"]
    document["rules"] += changes.get("added", [])
    return RuleSet(phase=phase, version=2, document=document)


def effect(challenge: Challenge, rule_set: RuleSet) -> whatif.Effect:
    (found,) = whatif.effects_of_version([Challenge.objects.get(pk=challenge.pk)], rule_set, NOW)
    return found


@pytest.mark.parametrize(
    ("equity", "verdict"),
    [
        (99_000.0, Verdict.SAME),
        (97_000.0, Verdict.SAME),  # 3,000 of 4,000 is 75 %
        (96_800.0, Verdict.WARN),  # at 80 % of the tighter limit
        (96_000.0, Verdict.WARN),  # on the new floor, which must not be fallen below
        (95_999.99, Verdict.BREACH),
    ],
)
def test_a_tighter_daily_loss_warns_and_breaches_to_the_cent(phase: Phase, equity: float, verdict: Verdict) -> None:
    challenge = started("acc_1")
    at_equity(challenge, equity)
    found = effect(challenge, version(phase, percent="4"))
    assert found.verdict == verdict
    assert found.equity == round(equity * 100)
    if verdict is Verdict.BREACH:
        assert (found.before.state, found.after.state, found.consequence) == ("warned", "breached", "fail")
        assert "96,000.00" in found.reason
        assert found.after.room == -1


def test_a_looser_limit_ends_a_warning(phase: Phase) -> None:
    challenge = started("acc_1")
    at_equity(challenge, 96_000.0)
    found = effect(challenge, version(phase, percent="8"))
    assert (found.verdict, found.before.state, found.after.state) == (Verdict.EASE, "warned", "ok")


def test_a_new_limit_on_lots_names_the_account_that_is_beyond(phase: Phase) -> None:
    rules = [{"rule": "max_lots_total", "lots": "2", "count": "gross"}]
    over, within = started("acc_1"), started("acc_2")
    at_equity(over, 100_000.0, positions=(Position(id="p1", symbol="EURUSD", type="BUY", volume=2.5, open_time=NOW),))
    at_equity(within, 100_000.0, positions=(Position(id="p2", symbol="EURUSD", type="BUY", volume=2.0, open_time=NOW),))
    assert effect(over, version(phase, added=rules)).verdict is Verdict.VIOLATE
    assert effect(within, version(phase, added=rules)).verdict is Verdict.SAME


def test_symbols_are_called_as_the_servers_table_says(phase: Phase) -> None:
    gold = started("acc_1")
    at_equity(gold, 100_000.0, positions=(Position(id="p1", symbol="GOLD spot", type="BUY", volume=1.0),))
    denied = version(phase, added=[{"rule": "symbols", "deny": ["XAUUSD"]}])
    assert effect(gold, denied).verdict is Verdict.SAME
    head = User.objects.create(username="head", role=Role.HEAD_OF_RISK)
    symbols.set_names(gold.account.server, {"GOLD spot": "XAUUSD"}, head)
    assert effect(gold, denied).verdict is Verdict.VIOLATE


def test_an_account_without_data_is_unknown_and_never_safe(phase: Phase) -> None:
    found = effect(started("acc_1"), version(phase, percent="4"))
    assert found.verdict is Verdict.UNKNOWN
    assert "no data" in found.reason


def test_a_checkpoint_of_an_older_challenge_says_nothing_of_this_one(phase: Phase) -> None:
    challenge = started("acc_1")
    at_equity(challenge, 95_500.0)
    Challenge.objects.filter(pk=challenge.pk).update(state=ChallengeState.FAILED, ended_at=NOW)
    anew = Challenge.objects.create(
        account=challenge.account,
        rule_set=challenge.rule_set,
        initial_balance=challenge.initial_balance,
        started_at=NOW,
    )
    assert effect(anew, version(phase, percent="4")).verdict is Verdict.UNKNOWN


def test_a_checkpoint_that_cannot_be_read_is_unknown(phase: Phase) -> None:
    challenge = started("acc_1")
    Checkpoint.objects.create(account=challenge.account, epoch=1, version=1, state=b"\x01", saved_at=NOW)
    assert effect(challenge, version(phase, percent="4")).verdict is Verdict.UNKNOWN


def test_an_account_in_review_that_would_be_beyond_is_said_to_be(phase: Phase) -> None:
    challenge = started("acc_1")
    snapshot = Snapshot("sim")
    process(snapshot, Link(ts=NOW - timedelta(hours=1), state="connected"))
    rules = parse_rule_set(book.rule_set_document(challenge))
    account = snapshot.add("acc_1", rules, challenge=f"c{challenge.pk}")
    account.hold_for_review("a person looks")
    data = AccountFigures(balance=100_000.0, equity=95_500.0)
    process(snapshot, AccountUpdate(account_id="acc_1", ts=NOW, data=data))
    Checkpoint.objects.create(
        account=challenge.account, epoch=1, version=1, state=pack_state(account.dump()), saved_at=NOW
    )
    assert effect(challenge, version(phase, percent="4")).verdict is Verdict.BREACH


def test_an_override_stays_with_its_account(phase: Phase) -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    apart, plain = started("acc_1"), started("acc_2")
    loose = {**plans.two_step_document("10")["rules"][0], "amount": {"percent": "6", "of": "initial"}}
    overrides.set_override(
        apart.account, "daily_loss", 0, loose, head, "a good customer", None, NOW - timedelta(hours=2)
    )
    at_equity(apart, 95_500.0)
    at_equity(plain, 95_500.0)
    assert effect(apart, version(phase, percent="4")).verdict is Verdict.SAME
    assert effect(plain, version(phase, percent="4")).verdict is Verdict.BREACH


def test_nothing_is_changed_by_asking(phase: Phase) -> None:
    challenge = started("acc_1")
    at_equity(challenge, 95_500.0)
    before = bytes(Checkpoint.objects.get().state)
    effect(challenge, version(phase, percent="4"))
    assert bytes(Checkpoint.objects.get().state) == before
    assert Challenge.objects.get(pk=challenge.pk).state == ChallengeState.ACTIVE


def test_a_sweep_goes_on_where_it_was_and_counts_everybody_once(phase: Phase, redis_url: str) -> None:
    for number, equity in enumerate((95_500.0, 96_500.0, 99_000.0, 95_900.0, 99_500.0)):
        at_equity(started(f"acc_{number}"), equity)
    rows, asked = (
        Challenge.objects.filter(ended_at=None).select_related("account", "rule_set"),
        version(phase, percent="4"),
    )
    first = whatif.sweep("key", rows, asked, portion=2)
    assert (first.done, first.total, first.finished, first.percent) == (2, 5, False, 40)
    whatif.sweep("key", rows, asked, portion=2)
    last = whatif.sweep("key", rows, asked, portion=2)
    assert last.finished
    assert last.counts == {"breach": 2, "warn": 1, "same": 2}
    assert sorted(one.login for one in last.rows) == ["acc_0", "acc_1", "acc_3"]
    assert last.newest == NOW
    assert whatif.sweep("key", rows, asked, portion=2).counts == last.counts
    assert whatif.sweep("key", rows, asked, anew=True, portion=2).done == 2


def test_a_sweep_ends_also_when_a_challenge_has_ended_meanwhile(phase: Phase, redis_url: str) -> None:
    for number in range(5):
        at_equity(started(f"acc_{number}"), 99_000.0)
    rows, asked = Challenge.objects.filter(ended_at=None), version(phase, percent="4")
    whatif.sweep("key", rows, asked, portion=2)
    last = Challenge.objects.latest("pk")
    last.state, last.ended_at = ChallengeState.FAILED, NOW
    last.save()
    whatif.sweep("key", rows, asked, portion=2)
    found = whatif.sweep("key", rows, asked, portion=2)
    assert (found.done, found.total, found.finished) == (4, 5, True)


def test_a_sweep_without_redis_says_so(phase: Phase, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(whatif.SweepUnavailable):
        whatif.sweep("key", Challenge.objects.all(), version(phase, percent="4"))
