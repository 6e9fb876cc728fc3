"""Other rules for a running account: judged at once, and what it has been through stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from monitoring.engine.rules import change_rules, readings
from monitoring.engine.ruleset import RuleSet, parse_rule_set
from monitoring.engine.snapshot import AccountState, Snapshot
from tests.monitoring.engine.conftest import DAILY, STATIC, Desk, document, kinds
from tests.monitoring.engine.trade import FAR, close_position, open_position

TRAILING: dict[str, Any] = STATIC | {"mode": "trailing", "high_water": "balance_closed"}
PEAK: dict[str, Any] = DAILY | {"reference": "intraday_peak_equity"}
NUMBER: dict[str, Any] = {"rule": "max_positions", "positions": 3}
STOP: dict[str, Any] = {"rule": "stop_loss_required", "within_seconds": 60}
DAYS: dict[str, Any] = {"rule": "min_trading_days", "days": 4, "counts": "opened"}


def rules(*several: dict[str, Any], **changes: Any) -> RuleSet:
    return parse_rule_set(document(*several, **{"version": 4, "stale_after": 10**7, **changes}))


def running(*several: dict[str, Any]) -> Desk:
    desk = Desk(rules(*several, version=3))
    desk.update(100000)
    return desk


def change(desk: Desk, *several: dict[str, Any], **changes: Any) -> list[str]:
    desk.now += timedelta(seconds=1)
    return kinds(change_rules(desk.snapshot, "acc_1", rules(*several, **changes), desk.now))


def test_the_last_known_state_is_judged_at_once_under_new_keys() -> None:
    desk = running(DAILY)
    assert not desk.update(96500)
    tighter = DAILY | {"amount": {"percent": "4", "of": "initial"}}
    (warned,) = change_rules(desk.snapshot, "acc_1", rules(tighter), desk.now)
    assert (warned.event, warned.key, warned.rule_set_version) == ("warned", "acc_1:c1~1:0:warned:1", 4)
    tightest = DAILY | {"amount": {"percent": "3", "of": "initial"}}
    (breached,) = change_rules(desk.snapshot, "acc_1", rules(tightest, version=5), desk.now)
    assert (breached.event, breached.key, breached.at) == ("breached", "acc_1:c1~2:0:breached:fail", desk.now)
    assert not change_rules(desk.snapshot, "acc_1", rules(DAILY, version=6), desk.now)
    assert desk.account.breached, "a breach stays a breach"
    assert readings(desk.account, desk.now)[0].state == "breached"


def test_a_breach_is_shown_at_its_rule_wherever_that_stands_now() -> None:
    desk = running(DAILY, STATIC)
    desk.update(94000)
    change(desk, STATIC, DAILY)
    assert [(reading.rule, reading.state) for reading in readings(desk.account, desk.now)] == [
        ("max_loss", "ok"),
        ("daily_loss", "breached"),
    ]
    change(desk, STATIC)
    facts = desk.account.breach_event
    assert facts is not None
    assert (facts.rule, facts.index) == ("daily_loss", -1)


def test_stale_data_waits_for_the_first_fresh_message() -> None:
    desk = Desk(parse_rule_set(document(DAILY)))
    desk.update(96500, open_positions=2)
    desk.tick(40)
    assert change(desk, DAILY | {"amount": {"percent": "3", "of": "initial"}}, stale_after=30) == []
    assert kinds(desk.update(96500)) == ["fresh", "breached"]


def test_the_same_limits_under_another_number_change_nothing_else() -> None:
    desk = running(DAILY)
    desk.update(96000)
    assert change(desk, DAILY, version=9) == []
    assert (desk.account.state.rule_set_version, desk.account.state.generation) == (9, 0)
    assert desk.account.state.rules[0].step == 1


def test_a_rule_of_the_same_identity_keeps_its_memory() -> None:
    desk = running(TRAILING, DAYS)
    desk.update(105000, balance=105000)
    open_position(desk, "p1")
    desk.tick(86400)
    desk.tick(86400)
    softer = TRAILING | {"amount": {"percent": "12", "of": "initial"}}
    change(desk, DAILY, softer, DAYS | {"days": 2})
    state = desk.account.state
    assert [memory.high for memory in state.rules] == [10000000, 10500000]
    assert [memory.of for memory in state.others] == ["min_trading_days#0"]
    assert state.others[0].count == 1


@pytest.mark.parametrize(
    ("rule", "mark"), [(TRAILING | {"high_water": "equity_intraday"}, 10000000), (TRAILING, 10500000)]
)
def test_a_new_trailing_limit_starts_at_the_initial_balance(rule: dict[str, Any], mark: int) -> None:
    desk = running(TRAILING)
    desk.update(105000, balance=105000)
    change(desk, rule)
    assert desk.account.high_water == mark


def test_a_new_intraday_peak_is_the_higher_of_the_days_start_and_now() -> None:
    for equity, peak in ((103000, 10300000), (98000, 10000000)):
        desk = running(DAILY)
        desk.update(equity)
        change(desk, PEAK)
        assert desk.account.state.peak == peak
        desk.update(equity + 3000)
        assert desk.account.flush().peak == max(peak, (equity + 3000) * 100), "from now on it is tracked"


def test_with_another_reset_the_day_ends_at_the_first_new_one() -> None:
    desk = running(DAILY)
    desk.update(99000, balance=99000)
    change(desk, DAILY, reset={"time": "17:00", "zone": "America/New_York"})
    state = desk.account.state
    assert state.next_reset == datetime(2026, 6, 10, 21, tzinfo=UTC)
    assert (str(state.day), state.day_start_balance) == ("2026-06-10", 10000000)
    desk.now = datetime(2026, 6, 10, 20, 59, 59, tzinfo=UTC)
    (started,) = desk.tick(1)
    assert (started.day_start_balance, started.key) == (9900000, "acc_1:c1~1:-:day_started:2026-06-10")


def test_a_fall_is_no_rise_to_a_mark_that_starts_below() -> None:
    """A new intraday mark starts at S; what lies between it and another rule's floor is a breach all the same."""
    desk = running(DAILY)
    desk.update(110000, balance=110000)
    desk.now = datetime(2026, 6, 11, tzinfo=UTC)
    desk.update(108000, balance=110000)
    assert not change(desk, DAILY, STATIC | {"mode": "trailing", "high_water": "equity_intraday"})
    (breached,) = desk.update(104999.99, balance=110000)
    assert (breached.event, breached.rule, breached.floor) == ("breached", "daily_loss", 10500000)


def test_a_pause_lasts_until_the_new_reset() -> None:
    desk = running(DAILY | {"consequence": "pause"})
    desk.update(94000)
    change(desk, DAILY | {"consequence": "pause"}, reset={"time": "20:00", "zone": "UTC"})
    assert desk.account.paused_until == datetime(2026, 6, 10, 20, tzinfo=UTC)
    desk.now = datetime(2026, 6, 10, 19, 59, 59, tzinfo=UTC)
    assert kinds(desk.tick(1)) == ["day_started", "resumed"]


def test_a_day_that_another_reset_cuts_short_and_the_next_of_its_date_pause_under_keys_of_their_own() -> None:
    pausing = DAILY | {"consequence": "pause"}
    desk = running(DAILY)
    change(desk, pausing, reset={"time": "11:00", "zone": "UTC"})
    keys = [event.key for event in desk.update(94000)]
    keys += [event.key for event in desk.update(80000, after=2 * 3600) if event.event == "breached"]
    assert desk.account.state.day == desk.now.date()
    assert len(keys) == len(set(keys)) == 2


def test_new_limits_on_what_is_open_are_judged_by_what_is_open() -> None:
    desk = running(DAILY)
    for name in ("p1", "p2"):
        open_position(desk, name, symbol="BTCUSD", volume=2)
    deny = {"rule": "symbols", "deny": ["BTCUSD"]}
    events = change_rules(
        desk.snapshot, "acc_1", rules(NUMBER | {"positions": 1}, deny), desk.now + timedelta(seconds=1)
    )
    assert [(event.rule, event.positions) for event in events] == [
        ("max_positions", ("p2",)), ("symbols", ("p1",)), ("symbols", ("p2",)),
    ]  # fmt: skip
    assert change(desk, deny, NUMBER | {"positions": 1}, version=5) == [], "what was told stays told"


def test_symbols_that_are_open_are_judged_by_a_new_rule_though_the_data_was_stale() -> None:
    deny = {"rule": "symbols", "deny": ["BTCUSD"], "consequence": "fail"}
    desk = Desk(rules(FAR, version=3, stale_after=30))
    desk.update(100000)
    open_position(desk, "p1", symbol="BTCUSD")
    assert kinds(desk.tick(60)) == ["stale"]
    assert change(desk, FAR, deny, stale_after=30) == []
    assert kinds(desk.update(100000)) == ["fresh", "breached"]


def test_a_symbols_rule_that_stays_as_it_was_judges_nothing_again() -> None:
    """Nobody is paused for a position that a pause slept through because some other rule was changed."""
    deny = {"rule": "symbols", "deny": ["BTCUSD"], "consequence": "pause"}
    desk = running(FAR, DAILY | {"consequence": "pause"}, deny)
    assert kinds(desk.update(90000)) == ["breached"]
    open_position(desk, "p1", symbol="BTCUSD")
    assert kinds(desk.update(100000, after=86400)) == ["day_started", "resumed"]
    assert change(desk, FAR, NUMBER, deny) == []
    assert change(desk, FAR, NUMBER, deny | {"deny": ["BTCUSD", "ETHUSD"]}) == ["breached"]


def test_names_that_a_new_rule_cannot_judge_are_told_in_the_order_of_the_positions() -> None:
    """Any other order would differ from one run of `replay` to the next."""
    names = ["ZORK", "QUAT", "FOO", "BARX", "WIBBLE", "LOL", "PLUGH", "XYZZY"]
    desk = running(DAILY)
    for name in names:
        open_position(desk, f"p_{name}", symbol=name)
    events = change_rules(desk.snapshot, "acc_1", rules(DAILY, {"rule": "symbols", "allow": ["EURUSD"]}), desk.now)
    assert [event.key.split(":")[-1] for event in events] == names


def test_a_new_stop_rule_looks_at_what_is_open_and_an_old_one_never_twice() -> None:
    desk = running(DAILY)
    open_position(desk, "p1", sl=1.05)
    open_position(desk, "p2")
    desk.tick(120)
    assert change(desk, STOP) == ["violated"]
    assert change(desk, STOP | {"within_seconds": 30}, version=5) == []


def test_time_up_to_the_change_belongs_to_the_old_rules() -> None:
    desk = running({"rule": "flat_by", "day": "wed", "time": "21:55", "zone": "UTC", "consequence": "flag"})
    open_position(desk, "p1")
    desk.now = datetime(2026, 6, 10, 22, tzinfo=UTC)
    assert change(desk, DAILY) == ["violated"]


def test_an_account_that_nobody_watches_is_an_error(desk: Desk) -> None:
    with pytest.raises(KeyError):
        change_rules(desk.snapshot, "acc_9", desk.rule_set, desk.now)


def test_a_checkpoint_of_other_rules_goes_on_under_these() -> None:
    desk = running(NUMBER, TRAILING)
    desk.update(104000, balance=104000)
    for name in ("p1", "p2"):
        open_position(desk, name)
    stored = msgspec.msgpack.encode(desk.account.dump())
    desk.snapshot = Snapshot()
    state = msgspec.msgpack.decode(stored, type=AccountState)
    desk.account = desk.snapshot.add("acc_1", rules(TRAILING, NUMBER | {"positions": 1}), challenge="c1", state=state)
    assert kinds(desk.update(104000, balance=104000)) == ["violated"], "the first good message judges it"
    assert desk.account.high_water == 10400000
    close_position(desk, "p2")
    assert desk.account.state.generation == 1


def test_a_checkpoint_of_other_rules_has_what_is_open_looked_at() -> None:
    """The rules were changed while nobody watched."""
    desk = running(DAILY)
    open_position(desk, "p1", symbol="BTCUSD")
    desk.tick(120)
    stored = msgspec.msgpack.encode(desk.account.dump())
    desk.snapshot = Snapshot()
    state = msgspec.msgpack.decode(stored, type=AccountState)
    desk.account = desk.snapshot.add(
        "acc_1", rules(DAILY, STOP, {"rule": "symbols", "deny": ["BTCUSD"]}), challenge="c1", state=state
    )
    assert [event.rule for event in desk.update(100000)] == ["stop_loss_required", "symbols"]
    assert kinds(desk.update(100000)) == []


def test_where_fewer_soft_breaches_are_allowed_than_there_were_that_is_judged_once() -> None:
    one, soft = NUMBER | {"positions": 1}, {"rule": "soft_breaches", "allowed": 3}
    desk = running(FAR, one, soft)
    for name in ("p1", "p2", "p3"):
        open_position(desk, name)
        open_position(desk, f"{name}b")
        for ident in (name, f"{name}b"):
            close_position(desk, ident)
    assert change(desk, FAR, one, soft | {"allowed": 3, "consequence": "pause"}) == []
    assert change(desk, FAR, one, soft | {"allowed": 2, "consequence": "pause"}) == ["breached"]
    assert kinds(desk.update(100000, after=86400)) == ["day_started", "resumed"]
    assert kinds(open_position(desk, "p4")) == [], "the account was paused for them"
    assert change(desk, FAR, one) == []
    assert change(desk, FAR, one, soft | {"allowed": 0}) == ["breached"]
    assert desk.account.breached


def test_a_checkpoint_of_an_earlier_release_is_not_paused_again_for_soft_breaches_that_paused_it() -> None:
    """Its memory did not say that they were judged."""
    desk = running(FAR, NUMBER | {"positions": 1}, {"rule": "soft_breaches", "allowed": 0, "consequence": "pause"})
    open_position(desk, "p1")
    assert kinds(open_position(desk, "p2")) == ["violated", "breached"]
    assert kinds(desk.update(100000, after=86400)) == ["day_started", "resumed"]
    state = desk.account.dump()
    state.others[1].open = False
    desk.account = desk.snapshot.add("acc_1", desk.account.rule_set, challenge="c1", state=state)
    assert kinds(close_position(desk, "p2")) == []
    assert kinds(open_position(desk, "p3")) == ["violated", "breached"], "one more is another"


def test_where_only_a_loss_rule_changes_the_others_have_nothing_new_to_say() -> None:
    """What was told stays told, what is open stays open, and the loss rule is judged at once."""
    number = NUMBER | {"positions": 1, "consequence": "flag"}
    desk = running(DAILY, number)
    told = [*open_position(desk, "p1"), *open_position(desk, "p2")]
    assert kinds(told) == ["violated"]
    episodes = [memory.episode for memory in desk.account.state.others]
    desk.update(96500)
    assert change(desk, DAILY | {"amount": {"percent": "3", "of": "initial"}}, number) == ["breached"]
    assert [memory.episode for memory in desk.account.state.others] == episodes
    assert not desk.account.state.pending
