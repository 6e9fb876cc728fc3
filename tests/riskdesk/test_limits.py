"""A crowd of requests waits its turn."""

from __future__ import annotations

import asyncio

from riskdesk.limits import AtMost
from tests.waiting import aeventually


async def test_no_more_than_so_many_requests_are_worked_on_and_all_are_answered() -> None:
    inside, answered, go_on = set[int](), list[int](), asyncio.Event()

    async def page(scope: dict[str, int], receive: object, send: object) -> None:
        inside.add(scope["number"])
        await go_on.wait()
        inside.discard(scope["number"])
        if scope["number"] == 4:
            raise ValueError("a defect gives its turn back too")
        answered.append(scope["number"])

    limited = AtMost(page, 3)
    crowd = [asyncio.create_task(limited({"number": number}, None, None)) for number in range(10)]
    await aeventually(lambda: len(inside) == 3)
    crowd[9].cancel()  # gone before its turn
    assert inside == {0, 1, 2}
    go_on.set()
    ends = await asyncio.gather(*crowd, return_exceptions=True)
    assert answered == [0, 1, 2, 3, 5, 6, 7, 8]
    assert [type(end) for end in ends if end] == [ValueError, asyncio.CancelledError]
    assert not inside
