"""A saved world goes on as if it had never stopped; another edition's, or a torn one, is not taken up."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession

from monitoring.upstream.simulator import memory
from monitoring.upstream.simulator.server import Options, Simulator
from monitoring.upstream.simulator.world import World
from tests.monitoring.upstream.simulator.client import Desk


def lived(steps: int) -> World:
    world = World(seed=5, accounts=20, demo=True)
    assert world.director is not None
    world.director.begin()
    for _ in range(steps):
        world.step()
    return world


def figures(world: World) -> list[tuple[str, int, int, int]]:
    return [(key, account.balance, account.equity, account.seq) for key, account in world.accounts.items()]


def test_a_saved_world_goes_on_exactly(tmp_path: Path) -> None:
    world = lived(600)
    memory.save(world, tmp_path / "world", "options")
    again = memory.load(tmp_path / "world", "options")
    assert again is not None
    for _ in range(600):
        world.step()
        again.step()
    assert figures(again) == figures(world)
    assert figures(again) != figures(lived(600))


def test_what_was_saved_is_nobody_elses_to_read(tmp_path: Path) -> None:
    memory.save(lived(1), tmp_path / "world", "options")
    assert (tmp_path / "world").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["other options", "torn", "spoilt", "other edition", "missing"])
def test_what_cannot_be_taken_up_is_not(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "world"
    memory.save(lived(1), path, "options")
    content = path.read_bytes()
    if harm == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "spoilt":
        path.write_bytes(content[:64] + b"\x80\x05cno_such_module\nname\n.")
    elif harm == "other edition":
        path.write_bytes(bytes(32) + content[32:])
    elif harm == "missing":
        path.unlink()
    assert memory.load(path, "other" if harm == "other options" else "options") is None


async def test_a_simulator_takes_up_where_the_last_one_stopped(tmp_path: Path) -> None:
    options = Options(accounts=5, state=tmp_path / "world")
    first = Simulator(options)
    await first.start()
    first.world.accounts["acc_1"].operate(123_45, "deposit")
    await first.stop()
    second = Simulator(options)
    assert second.taken_up
    assert figures(second.world) == figures(first.world)


def test_a_replayed_market_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--state"):
        Simulator(Options(ticks=(tmp_path / "EURUSD.csv",), state=tmp_path / "world"))


async def test_a_full_disk_costs_the_memory_and_not_the_world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    simulator = Simulator(Options(accounts=1))
    memory.save_or_say(simulator.world, tmp_path / "file" / "world", "options")
    assert "cannot be saved" in caplog.text


def test_what_was_sent_in_this_run_is_not_saved_with_it(tmp_path: Path) -> None:
    memory.save(lived(1), tmp_path / "young", "options")
    memory.save(lived(3000), tmp_path / "old", "options")
    assert (tmp_path / "old").stat().st_size < 3 * (tmp_path / "young").stat().st_size


async def test_a_taken_up_world_has_no_fault_of_the_last_process_and_all_that_was_agreed(tmp_path: Path) -> None:
    """Accounts report, rules and their versions stand, and a new account gets a login that nobody has."""
    options = Options(accounts=2, state=tmp_path / "world")
    for version in (1, 2):
        simulator = Simulator(options)
        await simulator.start()
        async with ClientSession() as session:
            desk = Desk(simulator, session)
            assert [row["status"] for row in (await desk.api("GET", "/accounts")).body["data"]][:2] == ["connected"] * 2
            rules = await desk.api("PUT", "/accounts/acc_1/risk-rules", {"max_lot_size": version})
            assert rules.body["version"] == version
            assert (await desk.control("POST", "/accounts", {"balance": 1000})).status == 201
            await desk.fault("connection_lost")
            await desk.fault("stale_account")
        await simulator.stop()
