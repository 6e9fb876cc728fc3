"""The web's application as a whole, as Daphne gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connection, connections

from monitoring import replica


@sync_to_async
def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


@pytest_asyncio.fixture
async def sessions_out_of_reach(transactional_db: None, redis_url: str) -> AsyncIterator[None]:
    """PostgreSQL cannot say whose a session is."""
    await rename("django_session", "sessions_elsewhere")
    yield
    await rename("sessions_elsewhere", "django_session")
    await sync_to_async(replica.stop)()
    await sync_to_async(connections.close_all)()


async def test_without_an_answer_from_postgresql_a_page_is_told_to_come_again(sessions_out_of_reach: None) -> None:
    from riskdesk.asgi import application  # only now: it begins to copy the book

    headers = [(b"cookie", b"sessionid=abcdefgh12345678"), (b"host", b"testserver"), (b"origin", b"http://testserver")]
    socket = WebsocketCommunicator(application, "/ws/desk/", headers=headers)
    assert await socket.connect(timeout=8) == (True, None)
    assert await socket.receive_output(timeout=8) == {"type": "websocket.close", "code": 4013}
