"""A state dir made anew at an old path does not inherit the data that the old one's servers kept elsewhere."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from riskdesk.belongings import claim
from riskdesk.services import Layout, Services

NOW = datetime(2026, 11, 20, 12, 30, 5, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "clone" / ".riskdesk"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Servers whose data lie outside the state dir, as root's do."""
    data = tmp_path / "var" / "riskdesk-1234"
    return Services(Layout(data=data, sockets=data / "run"))


def made_data(services: Services) -> Path:
    """A cluster as a desk leaves it; a file of it."""
    services.where.postgres_data.mkdir(parents=True, exist_ok=True)
    kept = services.where.postgres_data / "PG_VERSION"
    kept.write_text("18\n")
    return kept


def test_the_data_of_the_same_state_dir_stay(state: Path, services: Services) -> None:
    assert claim(state, services, NOW) is None
    kept = made_data(services)
    assert claim(state, services, NOW) is None
    assert kept.exists()


def test_data_of_a_state_dir_that_was_deleted_are_set_aside_whole(state: Path, services: Services) -> None:
    claim(state, services, NOW)
    kept = made_data(services)
    shutil.rmtree(state)
    aside = claim(state, services, NOW)
    assert aside == services.where.data.with_name("riskdesk-1234-left-20261120123005")
    assert (aside / kept.relative_to(services.where.data)).read_text() == "18\n"
    assert not kept.exists()
    made_data(services)
    assert claim(state, services, NOW) is None


@pytest.mark.parametrize("used", ["static", "journal", "demo_password"])
def test_an_upgrade_keeps_the_data_of_a_release_that_did_not_mark_them(
    state: Path, services: Services, used: str
) -> None:
    kept = made_data(services)
    (state / used).touch()
    for _ in range(2):
        assert claim(state, services, NOW) is None
        assert kept.exists()


def test_unmarked_data_are_not_inherited_by_a_state_dir_in_which_no_desk_ran(state: Path, services: Services) -> None:
    kept = made_data(services)
    (state / "secret_key").touch()  # any command of manage.py makes it
    assert claim(state, services, NOW) is not None
    assert not kept.exists()


def test_data_inside_the_state_dir_go_with_it(state: Path) -> None:
    inside = state / "services"
    services = Services(Layout(data=inside, sockets=inside / "run"))
    kept = made_data(services)
    assert claim(state, services, NOW) is None
    assert kept.exists()
    assert {path.name for path in state.iterdir()} == {"services"}
