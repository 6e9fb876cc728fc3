"""Positions that wait to be closed when the rules of their account change: what other rules allow may stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.monitoring.engine.conftest import DAILY
from tests.monitoring.engine.test_change_rules import change, running
from tests.monitoring.engine.trade import FAR, open_position

LOTS: dict[str, Any] = {"rule": "max_lots_total", "lots": "1", "count": "gross", "consequence": "close"}
HOURS: dict[str, Any] = {
    "rule": "trading_hours", "zone": "UTC", "outside": "close",
    "windows": [{"days": ["mon"], "from": "08:00", "to": "09:00"}],
}  # fmt: skip
DENIED: dict[str, Any] = {"rule": "symbols", "deny": ["EURUSD"], "consequence": "close"}
EACH: dict[str, Any] = {"rule": "max_lots_per_position", "lots": "0.4", "consequence": "close"}
ANY_DAY = [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "00:00", "to": "24:00"}]


@pytest.mark.parametrize(
    ("rule", "looser"),
    [
        (LOTS, {"lots": "2"}),
        (EACH, {"lots": "0.6"}),
        ({"rule": "max_positions", "positions": 1, "consequence": "close"}, {"positions": 2}),
        (DENIED, {"deny": ["GBPUSD"]}),
        (HOURS, {"windows": ANY_DAY}),
    ],
)
def test_what_waits_to_be_closed_stays_once_its_rule_is_gone_or_gives_it_room(
    rule: dict[str, Any], looser: dict[str, Any]
) -> None:
    flag = {"outside" if rule is HOURS else "consequence": "flag"}
    for others, left in (((rule,), True), ((), False), ((rule | looser,), False), ((rule | flag,), False)):
        desk = running(FAR, rule)
        open_position(desk, "p1", volume=0.5)
        open_position(desk, "p2", volume=0.6)
        assert "p2" in desk.account.state.closing
        change(desk, DAILY, *others)  # another loss rule comes along
        assert ("p2" in desk.account.state.closing) is left, others


def test_what_two_rules_want_closed_goes_as_long_as_one_of_them_does() -> None:
    desk = running(FAR, LOTS, DENIED)
    open_position(desk, "p1", volume=2.0)
    change(desk, FAR, DENIED)
    assert set(desk.account.state.closing) == {"p1"}
    change(desk, FAR, DENIED | {"deny": ["GBPUSD"]})
    assert not desk.account.state.closing
