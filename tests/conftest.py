"""The test run's real servers, started when the first test needs them, and what subprocesses get to reach them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import settings

from riskdesk import services as embedded
from scripts.chromium import chromium_path
from tests.waiting import PATIENCE

# A busy machine is no fault of an example's. The same sources draw the same examples, so that a red run is about what
# was changed; EXPLORE=1 in the environment draws fresh ones.
hypothesis.settings.register_profile(
    "riskdesk", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True,
    derandomize=not os.environ.get("EXPLORE"),
)  # fmt: skip
hypothesis.settings.load_profile("riskdesk")

DATABASE_FIXTURES = frozenset(
    {"db", "transactional_db", "live_server", "django_db_setup", "django_db_serialized_rollback"}
)
SERVICE_FIXTURES = DATABASE_FIXTURES | {"services", "redis_url", "service_env", "database_url"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a server, and skip browser tests where there is no browser."""
    browser_tests = [item for item in items if item.get_closest_marker("e2e")]
    if browser_tests and chromium_path() is None:
        reason = "no Chromium: install the package `chromium`, or run `.venv/bin/playwright install chromium`"
        for item in browser_tests:
            item.add_marker(pytest.mark.skip(reason=reason))
    for item in items:
        needs = SERVICE_FIXTURES & set(getattr(item, "fixturenames", ()))
        if needs or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.services)


def pytest_unconfigure() -> None:
    """Remove the run's state dir, and root's data outside it."""
    state = settings.RISKDESK_STATE_DIR
    if not os.environ.get("RISKDESK_TEST_STATE_DIR"):
        embedded.remove(state)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; the test is skipped at collection where there is none."""
    from playwright.sync_api import expect  # here: the fast tests need no Playwright

    expect.set_options(timeout=PATIENCE * 1000)
    found = chromium_path()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def services() -> Iterator[embedded.Services]:
    """The embedded PostgreSQL and Valkey of this run, at the addresses that the settings have."""
    from monitoring.replica import tail

    tail.BLOCK_MS = 50  # each test ends its replica: it need not wait for a whole second of silence
    servers = embedded.Services(embedded.layout(settings.RISKDESK_STATE_DIR), durable=False)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    services: embedded.Services, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Start PostgreSQL before pytest-django makes the test database on it."""
    from tests import emptying  # here: the fast tests need no models

    emptying.install()


@pytest.fixture
def redis_url(services: embedded.Services) -> str:
    """The embedded Valkey's address for redis-py, emptied before the test."""
    with redis.Redis.from_url(services.where.urls.redis_url) as client:
        client.flushall()
    return services.where.urls.redis_url


@pytest.fixture
def database_url(services: embedded.Services, django_db_setup: None) -> str:
    """The test database's address for processes and for psycopg; use with `transactional_db` to share rows."""
    from django.db import connection

    return services.where.urls.database_url.replace(f"/{embedded.DATABASE}?", f"/{connection.settings_dict['NAME']}?")


@pytest.fixture
def service_env(database_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment for real processes of a test: the test database, Valkey, a state dir of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RISKDESK_")}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "riskdesk.settings",
        "RISKDESK_ENV_FILE": "",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "RISKDESK_STATE_DIR": str(tmp_path / "state"),
        "RISKDESK_STATIC_FILES": "sources",
        "PYTHONUNBUFFERED": "1",
    }
