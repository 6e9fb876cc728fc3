"""What must survive: a monitor killed in traffic, an upstream that answers badly, a PostgreSQL or Redis that goes."""

from __future__ import annotations

import random
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from accounts.models import ChallengeState
from monitoring.live.publish import AccountRow
from monitoring.models import Checkpoint, Enforcement, Leadership, RiskEvent
from riskdesk.services import Services
from tests.monitoring.live.book import DOCUMENT, TRAILING, make_challenge
from tests.monitoring.live.desk import Desk
from tests.monitoring.live.test_desk import flat_and_locked, kinds
from tests.waiting import eventually

pytestmark = pytest.mark.slow
TRAILED = {**DOCUMENT, "rules": [TRAILING]}


def floor_of(row: AccountRow) -> int:
    """The maximum loss's floor, which must be there."""
    assert row.max_floor is not None
    return row.max_floor


def wait_for_rev(desk: Desk, account: str, rev: int) -> None:
    """Until the account was published that often."""
    eventually(lambda: desk.shown(account).rev >= rev, what=f"rev {rev} of {account}")


def published_anew(desk: Desk, account: str, *, after_epoch: int, equity: int) -> AccountRow:
    """The row as a later leader publishes it, with the upstream's present equity."""

    def found() -> AccountRow | None:
        head, row = desk.head(), desk.row(account)
        return row if head and head.epoch > after_epoch and row and row.equity == equity else None

    eventually(found, what=f"{account} is published anew")
    return desk.shown(account)


@contextmanager
def traffic(desk: Desk, account: str, seed: int) -> Iterator[None]:
    """An equity that wanders upwards as fast as the control API takes it."""
    stop, chance = threading.Event(), random.Random(seed)
    equity = float(desk.truth(account)["equity"])

    def wander() -> None:
        nonlocal equity
        while not stop.is_set():
            equity += chance.uniform(-40, 60)
            desk.put_at(account, equity=round(equity, 2))

    thread = threading.Thread(target=wander)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_killed_monitor_lowers_no_floor_and_repeats_no_warning(desk: Desk) -> None:
    make_challenge(upstream_id="acc_trail", document=TRAILED)
    make_challenge(upstream_id="acc_warn")
    for account in ("acc_trail", "acc_warn"):
        desk.make_account(account)
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    print("seed", seed)
    monitor = desk.start_monitor("monitor-0")
    desk.put_at("acc_warn", equity=95_500.0)
    eventually(lambda: kinds("acc_warn") == ["warned", "stepped_up"] or kinds("acc_warn") == ["warned"])
    told = kinds("acc_warn")
    for run in range(1, 4):
        before = desk.shown("acc_trail").rev
        with traffic(desk, "acc_trail", seed + run):
            wait_for_rev(desk, "acc_trail", before + chance.randrange(3, 40))
            shown = desk.shown("acc_trail")
            monitor.process.kill(signal.SIGKILL)
        last_shown = desk.shown("acc_trail")
        low = floor_of(last_shown) + 200_000  # far under the peak, above the floor
        desk.put_at("acc_trail", equity=low / 100)
        monitor = desk.start_monitor(f"monitor-{run}")
        row = published_anew(desk, "acc_trail", after_epoch=run, equity=low)
        assert floor_of(row) >= floor_of(last_shown) >= floor_of(shown)
        assert kinds("acc_warn") == told
    monitor.process.kill(signal.SIGKILL)
    desk.put_at("acc_trail", equity=10_000.0)  # breaches while nobody looks
    desk.start_monitor("monitor-last")
    eventually(lambda: flat_and_locked(desk, "acc_trail"), what="the breach is enforced after the restart")
    eventually(lambda: "breached" in kinds("acc_trail"))
    assert kinds("acc_trail").count("breached") == 1


def test_a_breach_survives_the_kill_between_its_journal_and_everything_else(desk: Desk) -> None:
    """Close-all fails until the monitor is killed; the successor takes the enforcement up and ends it."""
    desk.make_account("acc_x")
    desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    first = desk.start_monitor("first")
    desk.control("/faults", {"kind": "http_503", "account": "acc_x", "for_s": 60})
    desk.put_at("acc_x", equity=90_000.0)
    eventually(lambda: any(desk.commands("acc_x")), what="a command was tried")
    first.process.kill(signal.SIGKILL)
    assert not desk.truth("acc_x")["locked"]
    desk.control("/faults", method="DELETE")
    desk.start_monitor("second")
    eventually(lambda: flat_and_locked(desk, "acc_x"), what="the successor enforces")
    eventually(lambda: Enforcement.objects.filter(state="locked").count() == 1)
    assert RiskEvent.objects.filter(event="breached").count() == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_504"}, {"kind": "http_504_executes"}, {"kind": "http_503", "count": 3},
        {"kind": "http_429", "count": 2, "retry_after": 1}, {"kind": "partial_close"}, {"kind": "http_reset"},
    ],
    ids=lambda fault: fault["kind"],
)  # fmt: skip
@pytest.mark.timeout(180)
def test_enforcement_ends_in_proof_whatever_the_upstream_answers(desk: Desk, fault: dict[str, object]) -> None:
    desk.make_account("acc_x")
    for symbol in ("EURUSD", "GBPUSD", "USDJPY"):
        desk.control("/accounts/acc_x/positions", {"symbol": symbol, "type": "BUY", "volume": 0.5})
    desk.start_monitor()
    code, answer = desk.control("/faults", {"account": "acc_x", **fault})
    assert code == 201, answer
    desk.put_at("acc_x", equity=90_000.0)
    eventually(lambda: flat_and_locked(desk, "acc_x"), what="flat and locked at the simulator")
    eventually(lambda: Enforcement.objects.filter(state="locked").exists(), what="recorded as done")
    done = Enforcement.objects.get()
    closes = [command for command in done.commands if command["command"] == "close_all"]
    if fault["kind"] == "http_504_executes":
        assert len(closes) == 1  # re-read, not resent
        assert closes[0]["status"] == "unknown"
    else:
        assert closes[0]["status"] in {"unknown", "retry", "partial"}
        assert closes[-1]["status"] in {"done", "no_change"}


def test_postgresql_away_stops_neither_enforcement_nor_the_page(desk: Desk, services: Services) -> None:
    desk.make_account("acc_x")
    desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    desk.start_monitor()
    from django.db import connection

    connection.close()
    name = str(connection.settings_dict["NAME"])
    with away(services, name):
        desk.put_at("acc_x", equity=95_500.0)
        eventually(lambda: desk.shown("acc_x").state == "warned", what="the page goes on")
        desk.put_at("acc_x", equity=90_000.0)
        eventually(lambda: flat_and_locked(desk, "acc_x"), what="enforced without PostgreSQL")
        eventually(
            lambda: (head := desk.head()) and any("PostgreSQL" in line for line in head.warnings),
            what="the desk says what is wrong",
        )  # fmt: skip
    eventually(lambda: kinds("acc_x")[-1:] == ["breached"], what="the recorder catches up")
    assert kinds("acc_x").count("breached") == 1
    eventually(lambda: Enforcement.objects.filter(state="locked").exists())
    eventually(lambda: Checkpoint.objects.exists(), what="checkpoints go on")
    eventually(lambda: (head := desk.head()) and not head.warnings, what="all is well again")
    assert Leadership.objects.get().epoch == 1


@contextmanager
def away(services: Services, database: str) -> Iterator[None]:
    """PostgreSQL refuses the test database's clients and throws out who is in."""
    import psycopg

    socket = str(services.where.sockets)
    with psycopg.connect(host=socket, user="riskdesk", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
        try:
            yield
        finally:
            connection.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')


def test_a_full_disk_stops_no_enforcement_and_is_said(desk: Desk) -> None:
    desk.make_account("acc_x")
    desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    monitor = desk.start_monitor()
    before = resource.prlimit(monitor.process.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(monitor.process.popen.pid, resource.RLIMIT_FSIZE, (0, before[1]))  # logs fail too
    desk.put_at("acc_x", equity=90_000.0)
    eventually(lambda: flat_and_locked(desk, "acc_x"), what="enforced without a journal")
    eventually(lambda: (head := desk.head()) and any("journal" in line for line in head.warnings))
    eventually(lambda: Enforcement.objects.filter(state="locked").exists(), what="recorded all the same")
    assert kinds("acc_x") == ["breached"]
    resource.prlimit(monitor.process.popen.pid, resource.RLIMIT_FSIZE, before)
    desk.make_account("acc_y")
    desk.shown("acc_y")
    desk.put_at("acc_y", equity=95_500.0)
    eventually(lambda: (head := desk.head()) and not head.warnings, what="the disk is back")
    assert monitor.health()["ready"]


def test_a_redis_that_lost_everything_is_filled_again(desk: Desk) -> None:
    make_challenge(upstream_id="acc_x", state=ChallengeState.ACTIVE)
    desk.make_account("acc_x")
    desk.start_monitor()
    eventually(lambda: desk.row("acc_x"))
    before = desk.redis.hget("riskdesk:main:meta", "generation")
    desk.redis.flushall()
    eventually(lambda: desk.row("acc_x"), what="the book is back")
    assert desk.redis.hget("riskdesk:main:meta", "generation") not in {None, before}


def test_a_standby_takes_over_and_the_old_leader_steps_down(desk: Desk) -> None:
    desk.make_account("acc_x")
    first = desk.start_monitor("first")
    second = desk.start_monitor("second", wait=False)
    eventually(lambda: second.health().get("leader") is False, what="the second stands by")
    first.process.kill(signal.SIGKILL)
    second.wait_ready()
    assert second.health()["epoch"] == 2
    desk.control("/accounts/acc_x/positions", {"symbol": "EURUSD", "type": "BUY", "volume": 1.0})
    desk.put_at("acc_x", equity=90_000.0)
    eventually(lambda: flat_and_locked(desk, "acc_x"), what="the new leader enforces")


def test_what_happened_while_no_monitor_ran_is_replayed(desk: Desk) -> None:
    """A withdrawal is no loss, and a peak that nobody saw raises the floor: both only the upstream remembers."""
    make_challenge(upstream_id="acc_trail", document=TRAILED)
    make_challenge(upstream_id="acc_out")
    for account in ("acc_trail", "acc_out"):
        desk.make_account(account)
    monitor = desk.start_monitor("first")
    desk.put_at("acc_out", equity=100_500.0)
    eventually(lambda: desk.shown("acc_out").equity == 10_050_000)
    eventually(lambda: Checkpoint.objects.count() == 2)
    monitor.process.kill(signal.SIGKILL)
    desk.control("/accounts/acc_out/balance", {"kind": "withdrawal", "amount": -6_000.0})
    desk.put_at("acc_trail", equity=108_000.0)
    desk.put_at("acc_trail", equity=101_000.0)
    desk.start_monitor("second")
    row = published_anew(desk, "acc_trail", after_epoch=1, equity=10_100_000)
    assert floor_of(row) == 9_800_000
    row = published_anew(desk, "acc_out", after_epoch=1, equity=9_450_000)
    assert (row.state, row.daily_floor) == ("ok", 8_900_000)
    assert kinds("acc_out") == []


def test_a_withdrawal_whose_frames_were_spoilt_is_no_loss(desk: Desk) -> None:
    make_challenge(upstream_id="acc_paid")
    desk.make_account("acc_paid")
    desk.start_monitor()
    eventually(lambda: desk.shown("acc_paid").state == "ok", what="watched")
    code, answer = desk.control("/faults", {"kind": "corrupt", "account": "acc_paid", "for_s": 2})
    assert code in {200, 201}, answer
    desk.control("/accounts/acc_paid/balance", {"kind": "withdrawal", "amount": 6000.0})
    eventually(lambda: desk.shown("acc_paid").equity == 9_400_000, what="the truth is known")
    desk.put_at("acc_paid", equity=93_000.0)
    eventually(lambda: desk.shown("acc_paid").equity == 9_300_000, what="the stream goes on")
    assert kinds("acc_paid") == []
    assert not desk.truth("acc_paid")["locked"]
