"""kill -9 of each process of a whole desk, during traffic: it is said, it heals, and nothing is lost or told twice."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.whole import WholeDesk, sign_in, visiting, whole_desk
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(420)]
BACK_WITHIN = 90.0  # seconds from the last kill: the supervisor's longest pause and a start on a busy machine
LOSS = {"measured": "equity", "operator": "<", "consequence": "fail"}
TRAILING = {  # the trailing floor is 6,000 below the highest equity of a 100,000 account
    "reset": {"time": "00:00", "zone": "Europe/Prague"},
    "trading_week": ["mon", "tue", "wed", "thu", "fri"],
    "count_credit": False,
    "balance_operations": "adjust",
    "warn_at": ["0.80", "0.90", "0.95"],
    "clear_below": "0.75",
    "stale_after": 30,
    "fresh_for": 60,
    "rules": [
        {"rule": "daily_loss", "reference": "day_start_balance", "amount": {"percent": "5", "of": "initial"}, **LOSS},
        {"rule": "max_loss", "mode": "trailing", "high_water": "equity_intraday",
         "amount": {"percent": "6", "of": "initial"}, **LOSS},
    ],
}  # fmt: skip
INSERT_TRAILING = """
WITH plan AS (INSERT INTO accounts_plan (slug, name, preset) VALUES ('trailing', 'Trailing', '') RETURNING id),
phase AS (INSERT INTO accounts_phase (plan_id, slug, name, "order")
  SELECT id, 'phase-1', 'Phase 1', 1 FROM plan RETURNING id)
INSERT INTO accounts_ruleset (phase_id, version, document, reason, created_at)
  SELECT id, 1, %s::jsonb, '', now() FROM phase
"""
SAYINGS = {  # what the desk says while a process is down: the state of the line, the words of its banners
    "monitor": ("stale", r"The monitor of main is silent since \d\d:\d\d:\d\d UTC"),
    "valkey": ("stale", r"Redis is unreachable"),
    "postgres": ("connected", r"PostgreSQL (unreachable|lost the leader's lock)"),
    "web": ("reconnecting", r"The connection to RiskDesk is lost since"),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeDesk]:
    """One desk for this module, with a plan whose floor trails."""
    with whole_desk(tmp_path_factory.mktemp("kills"), accounts=60) as running:
        running.query(INSERT_TRAILING, json.dumps(TRAILING))
        yield running


@pytest.fixture(autouse=True)
def recovered(desk: WholeDesk) -> None:
    """What the test before has killed runs again."""
    eventually(desk.whole, within=60, every=0.1, what="every process of the desk runs and is ready")


@pytest.fixture
def page(browser: Browser, desk: WholeDesk) -> Iterator[Page]:
    """An officer's desk."""
    with visiting(browser, desk) as visit:
        visit.expected.append("WebSocket connection|ERR_CONNECTION|status of 50")
        yield desk_page(visit)


def desk_page(visit: Visit) -> Page:
    opened = sign_in(visit, "risk", "/desk/")
    expect(opened.locator("body")).to_have_attribute("data-live", "connected", timeout=30_000)
    return opened


class Cast:
    """Accounts that live through one outage."""

    def __init__(self, desk: WholeDesk, name: str) -> None:
        self.desk = desk
        self.riser, self.warned, self.late = f"{name}-riser", f"{name}-warned", f"{name}-late"
        self.fallers = [f"{name}-faller-{number}" for number in range(3)]
        desk.make_account(self.riser, group="trailing/phase-1")
        desk.make_accounts([self.warned, self.late, *self.fallers])

    def floor(self) -> int:
        """The riser's trailing floor in cents, as every page shows it."""
        row = self.desk.row(self.riser)
        assert row is not None
        assert row.max_floor is not None
        return row.max_floor

    def before(self) -> None:
        """One account rises and falls back a little, one is warned."""
        self.desk.push(self.riser, 104_000)
        self.desk.push(self.riser, 103_000)
        self.desk.push(self.warned, 95_990)
        eventually(lambda: self.floor() >= 9_800_000, what="the trailing floor has risen")
        eventually(lambda: self.desk.messages(self.warned), what="the warning in Slack")

    def during(self) -> None:
        """Three fall through their floor, one comes near."""
        for account in self.fallers:
            self.desk.push(account, 94_000)
        self.desk.push(self.late, 95_990)

    def closed(self) -> bool:
        """Whether every faller is flat and locked at the simulator."""
        return all(self.desk.flat_and_locked(account) for account in self.fallers)

    def check(self, floor_before: int) -> None:
        """Everything that had to happen has, once."""
        eventually(self.closed, what="every faller is flat and locked")
        for account in self.fallers:
            events = eventually(partial(self.desk.events, account, "breached"), what=f"{account}'s breach")
            assert [(event["rule"], event["floor"]) for event in events] == [("daily_loss", Decimal("95000.00"))]
            assert events[0]["measured"] < Decimal("95000.00")
        assert self.floor() >= floor_before
        self.desk.push(self.riser, 97_900)
        eventually(lambda: self.desk.flat_and_locked(self.riser), what="the riser is flat and locked")
        (fall,) = eventually(lambda: self.desk.events(self.riser, "breached"), what="the riser's breach")
        assert fall["rule"] == "max_loss"
        assert fall["floor"] >= Decimal(floor_before) / 100 >= Decimal("98000")
        self.check_messages()

    def check_messages(self) -> None:
        """Slack was told of each warning once and of each breach once."""
        expected = {self.warned: ["Warning"], self.late: ["Warning"], **{one: ["Breach"] for one in self.fallers}}
        for account, words in expected.items():
            eventually(partial(self.told, account, words), within=60, what=f"{account}: {words} in Slack")
            assert len(self.desk.events(account, "warned", "breached")) == len(words)
        eventually(lambda: "Breach" in self.words(self.riser), what="the riser's breach in Slack")
        assert self.words(self.riser).count("Breach") == 1

    def words(self, account: str) -> list[str]:
        """Which kinds of messages Slack has of an account, in order."""
        found = (re.search("Warning|Critical|Breach", text) for text in self.desk.messages(account))
        return [word[0] for word in found if word]

    def told(self, account: str, words: list[str]) -> bool:
        """Whether Slack has exactly these messages of an account."""
        return self.words(account) == words


def says(page: Page, live: str, words: str) -> bool:
    """Whether the desk is in this state and says these words in a banner that one can see."""
    shown = page.locator(".banner:visible").all_inner_texts()
    state = page.locator("body").get_attribute("data-live")
    return state == live and any(re.search(words, text) for text in shown)


def heals(page: Page) -> None:
    """The desk is live again by itself, and says that nothing is wrong."""
    expect(page.locator("body")).to_have_attribute("data-live", "connected", timeout=BACK_WITHIN * 1000)
    eventually(
        lambda: not page.locator(".banner:visible").all_inner_texts(), within=BACK_WITHIN, what="no banner is left"
    )


@contextmanager
def timed(what: str) -> Iterator[Callable[[str], None]]:
    """Print how long each part took."""
    began = time.monotonic()
    yield lambda part: print(f"{what}: {part} after {time.monotonic() - began:.1f} s")


@pytest.mark.parametrize("name", list(SAYINGS))
def test_a_killed_process_is_said_and_replaced_and_nothing_is_lost(desk: WholeDesk, page: Page, name: str) -> None:
    cast = Cast(desk, name)
    cast.before()
    floor = cast.floor()
    live, words = SAYINGS[name]
    with timed(name) as tell:
        with desk.held_down(name):
            cast.during()
            if name != "monitor":  # enforcement waits for nobody
                eventually(cast.closed, what=f"every faller is flat and locked without {name}")
                tell("fallers flat and locked")
            eventually(partial(says, page, live, words), within=40, every=0.1, what=f"the desk says {words!r}")
            tell("the desk says so")
        heals(page)
        tell("healed, the outage included")
    assert page.locator("#rows tr").count() >= 60
    cast.check(floor)
    check_everybody(desk)


@pytest.mark.parametrize("name", ["monitor", "postgres", "valkey"])
def test_a_process_killed_in_the_very_moment_of_breaches_loses_and_repeats_none(desk: WholeDesk, name: str) -> None:
    fallers = [f"moment-{name}-{number}" for number in range(12)]
    desk.make_accounts(fallers)
    for number, account in enumerate(fallers):
        if number == len(fallers) // 2:
            desk.kill(name)
        desk.push(account, 94_000 - number)
    for account in fallers:
        eventually(partial(desk.flat_and_locked, account), within=BACK_WITHIN, what=f"{account} is flat and locked")
        events = eventually(partial(desk_events, desk, account), within=BACK_WITHIN, what=f"the breach of {account}")
        assert [event["event"] for event in events] == ["breached"]
        assert events[0]["measured"] < events[0]["floor"] == Decimal("95000.00")
    eventually(lambda: all(desk.messages(account) for account in fallers), within=60, what="every breach in Slack")
    check_everybody(desk)
    assert [len(desk.messages(account)) for account in fallers] == [1] * len(fallers)


def desk_events(desk: WholeDesk, account: str) -> list[dict[str, Any]]:
    """The account's recorded events; none while PostgreSQL is away."""
    try:
        return desk.events(account, "warned", "breached")
    except psycopg.OperationalError:
        return []


def test_all_processes_killed_at_once_come_back_with_everything(desk: WholeDesk, page: Page) -> None:
    cast = Cast(desk, "all")
    cast.before()
    floor = cast.floor()
    with timed("all") as tell, ExitStack() as down:
        for name in ("critical", "worker", "web", "monitor", "valkey", "postgres"):
            down.enter_context(desk.held_down(name))
        cast.during()
        eventually(partial(says, page, *SAYINGS["web"]), within=40, every=0.1, what="the desk says that it is cut off")
        down.close()
        heals(page)
        tell("healed, the outage included")
    cast.check(floor)
    check_everybody(desk)


def test_alerts_are_sent_without_the_alert_worker_and_once(desk: WholeDesk, page: Page) -> None:
    cast = Cast(desk, "critical")
    cast.before()
    floor = cast.floor()
    with desk.held_down("critical"):
        cast.during()
        eventually(cast.closed, what="every faller is flat and locked")
        for account in cast.fallers:  # by the sweep of the other worker
            eventually(partial(cast.words, account), what=f"{account}: the breach in Slack")
    heals(page)
    cast.check(floor)
    check_everybody(desk)


def check_everybody(desk: WholeDesk) -> None:
    """Of all accounts, the demo's own victims too: one failing breach a challenge, each one closed."""
    twice = desk.query(
        "SELECT account_id FROM monitoring_riskevent WHERE event = 'breached' AND consequence = 'fail' "
        "GROUP BY account_id, challenge_id HAVING count(*) > 1"
    )
    assert twice == []
    breached = desk.query(
        "SELECT DISTINCT a.upstream_id FROM monitoring_riskevent e JOIN accounts_account a ON a.id = e.account_id "
        "WHERE e.event = 'breached'"
    )
    for row in breached:
        eventually(partial(desk.flat_and_locked, row["upstream_id"]), what=f"{row['upstream_id']} is flat and locked")
    texts = desk.slack.texts()
    assert len(texts) == len(set(texts))
    assert not desk.said("recorder_out_of_order")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process_and_a_second_desk_is_refused(tmp_path: Path, sent: signal.Signals) -> None:
    with whole_desk(tmp_path, accounts=10) as running:
        second = running.command()
        out, _ = second.communicate(timeout=60)
        assert second.returncode == 1
        assert running.process is not None
        assert f"RiskDesk already runs in this clone (process {running.process.pid})" in out
        assert "Traceback" not in out
        assert running.stop(sent, group=sent is signal.SIGINT) == 0
        assert running.said("riskdesk  | stopped")
