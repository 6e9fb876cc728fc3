"""The embedded servers come up, come back after a kill under the same address, and keep what must be kept."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from django.db import connection

from riskdesk.services import SOCKET_PATH_LIMIT, Services, layout, remove
from tests.waiting import eventually

pytestmark = pytest.mark.services


def test_both_servers_answer_at_the_addresses_known_beforehand(services: Services, redis_url: str) -> None:
    with psycopg.connect(services.where.urls.database_url) as link:
        version = link.execute("SHOW server_version_num").fetchone()
    assert version is not None
    assert int(version[0]) >= 180000
    with redis.Redis.from_url(redis_url) as client:
        assert client.info("server")["valkey_version"].startswith("9.")


@pytest.mark.django_db
def test_django_talks_to_the_embedded_postgresql(services: Services) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW unix_socket_directories")
        assert cursor.fetchone() == (str(services.where.sockets),)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Services]:
    """Servers that a test may kill."""
    yield Services(layout(tmp_path / "state"), durable=False)  # a kill loses nothing that was written
    remove(tmp_path / "state")


def test_postgresql_comes_back_with_its_data_after_kill_9(own: Services) -> None:
    urls = own.start()
    try:
        with psycopg.connect(urls.database_url, autocommit=True) as link:
            link.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        for name in ("postgres", "valkey"):
            own.running[name].send_signal(signal.SIGKILL)
            own.running[name].wait()
            own.start_one(name)
        own.wait_until_ready()
        with psycopg.connect(urls.database_url) as link:
            assert link.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(urls.redis_url) as client:
            assert client.ping()
    finally:
        own.stop()


def test_a_second_set_of_servers_takes_over_what_a_killed_parent_left(own: Services) -> None:
    own.start()
    orphan = own.running["postgres"]
    successor = Services(own.where)
    try:
        successor.start()
        assert eventually(lambda: orphan.poll() is not None, what="the orphan has ended")
        with psycopg.connect(successor.where.urls.database_url) as link:
            assert link.execute("SELECT 1").fetchone() == (1,)
    finally:
        successor.stop()
        own.stop()


@pytest.mark.parametrize("number", ["1", "-1"])  # negative: initdb was at work when the machine went down
def test_a_lock_file_that_names_a_foreign_process_does_not_stop_the_start(own: Services, number: str) -> None:
    own.start()
    own.stop()
    lock = own.where.postgres_data / "postmaster.pid"
    lock.write_text(f"{number}\n{own.where.postgres_data}\n")  # process 1 lives, and is no PostgreSQL
    try:
        own.start()
        assert own.postgres_ready()
    finally:
        own.stop()


def test_sockets_stay_within_the_limit_in_a_deep_clone() -> None:
    deep = Path("/srv") / ("a-very-deep-folder/" * 12) / ".riskdesk"
    assert len(str(layout(deep).sockets / ".s.PGSQL.5432.lock").encode()) <= SOCKET_PATH_LIMIT
    assert len(str(layout(deep).valkey_socket).encode()) <= SOCKET_PATH_LIMIT


def test_two_clones_never_share_servers() -> None:
    assert layout(Path("/srv/one/.riskdesk")).urls != layout(Path("/srv/two/.riskdesk")).urls
