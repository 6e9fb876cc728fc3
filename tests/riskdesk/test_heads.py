"""HEAD is answered without a body, however many parts that comes in."""

from __future__ import annotations

from typing import Any

import pytest
from channels.testing import ApplicationCommunicator

from riskdesk.heads import WithoutBodies

PARTS = [b"login,equity\r\n", b"500001,99.00\r\n", b""]


async def export(scope: dict[str, Any], receive: object, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/csv")]})
    for number, part in enumerate(PARTS, start=1):
        await send({"type": "http.response.body", "body": part, "more_body": number < len(PARTS)})


@pytest.mark.parametrize(("method", "bodies"), [("GET", PARTS), ("HEAD", [b""])])
async def test_a_streamed_export_has_no_body_for_head(method: str, bodies: list[bytes]) -> None:
    asked = ApplicationCommunicator(WithoutBodies(export), {"type": "http", "method": method})
    start = await asked.receive_output(timeout=5)
    assert (start["status"], start["headers"]) == (200, [(b"content-type", b"text/csv")])
    told = []
    while True:
        part = await asked.receive_output(timeout=5)
        told.append(part["body"])
        if not part.get("more_body"):
            break
    assert told == bodies
    assert await asked.receive_nothing()
