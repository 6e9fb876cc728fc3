"""Frame faults that last: every frame still comes, only not as it should."""

from __future__ import annotations

from tests.monitoring.upstream.simulator.client import Desk


async def test_reordering_for_a_while_swaps_frames_in_pairs_and_keeps_none(desk: Desk) -> None:
    await desk.account()
    async with desk.socket("?account=acc_t") as socket:
        await socket.frame()
        await desk.fault("reorder", account="acc_t", for_s=60)
        for equity in (99000, 98000, 97000):
            await desk.control("POST", "/accounts/acc_t/state", {"equity": equity})
        first, *others = [(await socket.frame())["seq"] for _ in range(4)]
        assert others == [first - 1, first + 2, first + 1]
