"""The sockets of the account page, a trader's page and the feeds: who may, and what they tell."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections
from django.test import Client

from accounts.models import Account, AuditEntry, Role, User
from accounts.permissions import announce_change
from monitoring import replica
from monitoring.routing import websocket_urlpatterns
from tests.monitoring.book import adopt, row, standing
from tests.monitoring.wire import Wire, event, server
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.django_db(transaction=True)
application = URLRouter(websocket_urlpatterns)
aadopt = sync_to_async(adopt)


class Socket:
    """A browser's end."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator

    async def say(self, **message: Any) -> None:
        await self.communicator.send_to(text_data=json.dumps(message))

    async def until(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The next frame of a kind with these values."""
        while True:
            frame = await self.until_any({kind})
            if all(frame.get(name) == value for name, value in wanted.items()):
                return frame

    async def until_any(self, kinds: set[str]) -> dict[str, Any]:
        """The next frame of these kinds; every snap and delta on the way is acknowledged."""
        while True:
            output = await self.communicator.receive_output(timeout=PATIENCE)
            assert output["type"] == "websocket.send", output
            frame: dict[str, Any] = json.loads(output["text"])
            if frame["t"] in {"snap", "d"}:
                await self.say(t="ack", seq=frame["seq"])
            if frame["t"] in kinds:
                return frame

    async def cell(self, public_id: str, name: str, text: str) -> dict[str, Any]:
        """The cells of the frame, whole or delta, that brings this text."""
        while True:
            frame = await self.until_any({"snap", "d"})
            for found, cells in frame["rows"]:
                if found == public_id and cells.get(name) == text:
                    return dict(cells)

    async def code(self) -> int:
        while (output := await self.communicator.receive_output(timeout=PATIENCE))["type"] != "websocket.close":
            pass
        return int(output["code"])

    async def leave(self) -> None:
        await self.communicator.disconnect(timeout=PATIENCE)


@pytest_asyncio.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    replica.stop()
    yield Wire(redis_url)
    await sync_to_async(replica.stop)()
    await sync_to_async(connections.close_all)()


async def user(name: str, role: Role) -> User:
    return await sync_to_async(User.objects.create_user)(name, password="pw", role=role)


async def refused(path: str, who: User) -> None:
    """Expect 4403 and one entry in the audit log."""
    socket = await open_socket(path, who)
    assert await socket.code() == 4403
    entries = AuditEntry.objects.filter(verb="access_refused", target=path)
    await sync_to_async(eventually)(entries.all().exists, what=path)
    assert await entries.acount() == 1


async def open_socket(path: str, who: User | None) -> Socket:
    client = Client()
    if who is not None:
        await sync_to_async(client.force_login)(who, backend=settings.AUTHENTICATION_BACKENDS[-1])
    communicator = WebsocketCommunicator(application, path)
    communicator.scope["cookies"] = {name: morsel.value for name, morsel in client.cookies.items()}
    connected, _ = await communicator.connect(timeout=PATIENCE)
    assert connected
    return Socket(communicator)


async def test_other_rules_are_told_within_the_second(wire: Wire) -> None:
    await aadopt("sim-1")
    wire.publish([row("sim-1", rules_digest="a")])
    socket = await open_socket("/ws/account/sim-1/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="")
    first = (await socket.until("html", id="rules-mark"))["html"]
    took = []
    for rev in range(2, 12):  # other programs may hold this machine's processors for a second
        wire.publish([row("sim-1", rev=rev, rules_digest="b" * rev)])
        began = monotonic()
        second = (await socket.until("html", id="rules-mark"))["html"]
        took.append(monotonic() - began)
        assert second != first
        first = second
        if took[-1] < 0.6:
            return
    raise AssertionError(f"told too late each time: {took}")


async def test_an_officer_gets_cells_of_cards_fragments_and_points(wire: Wire) -> None:
    await aadopt("sim-1")
    wire.publish([row("sim-1", 9_700_000, standings=[standing()])])
    socket = await open_socket("/ws/account/sim-1/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="")
    snap = await socket.until("snap")
    found = dict(snap["rows"])["sim-1"]
    assert (found["r0_room"], found["r1_floor"], found["equity"]) == ("2,000.00", "90,000.00", "97,000.00")
    assert (found["r2_value"], found["version"]) == ("1,200.00", "version 1")
    assert "EURUSD" in (await socket.until("html", id="positions"))["html"]
    wire.publish([row("sim-1", 9_650_000, rev=2)])
    await socket.cell("sim-1", "r0_room", "1,500.00")
    wire.publish([row("sim-1", 9_640_000, rev=3)])
    assert "r1_floor" not in await socket.cell("sim-1", "r0_room", "1,400.00")  # floors did not move
    points = await socket.until("points", account="sim-1")
    assert points["y"]["equity"][0] in {97_000.0, 96_500.0, 96_400.0}
    assert points["y"]["balance"] == [100_000.0]
    await socket.leave()


async def test_news_marks_an_event_and_an_enforcement(wire: Wire) -> None:
    await aadopt("sim-1")
    wire.publish([row("sim-1")])
    socket = await open_socket("/ws/account/sim-1/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="")
    first = (await socket.until("html", id="news"))["html"]
    wire.publish([row("sim-1", 9_590_000, rev=2, state="warned")], events=[event("k1", "sim-1")])
    second = (await socket.until("html", id="news"))["html"]
    assert "k1" in second
    wire.publish([row("sim-1", 9_490_000, rev=3, enforcement="sent")])
    third = (await socket.until("html", id="news"))["html"]
    assert len({first, second, third}) == 3
    await socket.leave()


async def test_a_trader_hears_of_his_own_accounts_and_of_the_shown_one_in_full(wire: Wire) -> None:
    trader = await user("toni", Role.TRADER)
    await aadopt("sim-1", trader)
    await aadopt("sim-2", trader)
    await aadopt("sim-3")
    wire.publish([row("sim-1"), row("sim-2", 9_700_000), row("sim-3")])
    socket = await open_socket("/ws/me/", trader)
    await socket.say(t="sub", view="account=sim-2")
    snap = await socket.until("snap")
    assert snap["order"] == ["sim-1", "sim-2"]
    assert dict(snap["rows"])["sim-2"]["r0_line"] == "You may still lose 2,000.00 USD today"
    assert "news" in (await socket.until("html", id="news"))["html"]
    await socket.leave()


async def test_another_traders_socket_is_refused_and_audited(wire: Wire) -> None:
    trader = await user("toni", Role.TRADER)
    await aadopt("sim-1", trader)
    await aadopt("sim-2")
    for path in ("/ws/account/sim-2/", "/ws/account/unknown/", "/ws/feeds/"):
        await refused(path, trader)
    for path in ("/ws/account/sim-1/", "/ws/me/", "/ws/feeds/"):
        assert await (await open_socket(path, None)).code() == 4401


async def test_an_account_that_is_taken_from_a_trader_leaves_his_page_at_once(wire: Wire) -> None:
    trader = await user("toni", Role.TRADER)
    await aadopt("sim-1", trader)
    await aadopt("sim-2", trader)
    wire.publish([row("sim-1"), row("sim-2")])
    socket = await open_socket("/ws/me/", trader)
    await socket.say(t="sub", view="account=sim-2")
    await socket.until("snap")
    await Account.objects.filter(public_id="sim-1").aupdate(trader=None)
    await sync_to_async(announce_change)(trader.pk)
    assert await socket.code() == 4403  # the page loads again, without it


async def test_a_traders_own_socket_is_for_traders(wire: Wire) -> None:
    await refused("/ws/me/", await user("risk", Role.RISK_OFFICER))


async def test_an_id_that_no_account_has_is_no_defect(wire: Wire) -> None:
    socket = await open_socket("/ws/account/a\0b/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="")
    assert (await socket.until("snap"))["order"] == []
    await socket.leave()


async def test_an_address_that_nobody_serves_is_refused_before_it_opens() -> None:
    assert await WebsocketCommunicator(application, "/ws/nothing/").connect(timeout=PATIENCE) == (False, 1000)


async def test_the_feeds_follow_the_pages_query(wire: Wire) -> None:
    wire.publish(servers=[server("A", refused=3, refusals={"bad_json": 3}), server("B", state="disconnected")])
    socket = await open_socket("/ws/feeds/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="state=up")
    html = (await socket.until("html", id="feeds"))["html"]
    assert 'data-feed="A"' in html
    assert 'data-feed="B"' not in html
    assert "bad json" in html
    wire.publish(servers=[server("A", refused=4, refusals={"bad_json": 4}), server("B", state="connected")])
    while 'data-feed="B"' not in html:
        html = (await socket.until("html", id="feeds"))["html"]
    assert '<td class="num some" data-count="refused">4</td>' in html
    await socket.leave()


async def test_a_query_of_the_feeds_that_makes_no_sense_is_said(wire: Wire) -> None:
    socket = await open_socket("/ws/feeds/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="sort=evil")
    assert "There is no column to sort by “evil”" in (await socket.until("error"))["message"]
    await socket.leave()


async def test_a_feeds_page_that_does_not_read_costs_one_frame(wire: Wire) -> None:
    wire.publish(servers=[server("A")])
    socket = await open_socket("/ws/feeds/", await user("risk", Role.RISK_OFFICER))
    await socket.say(t="sub", view="")
    frames: list[tuple[str, str | None]] = []
    while sum(kind == "hb" for kind, _ in frames) < 4:  # four seconds without an acknowledgement
        frame = json.loads(await socket.communicator.receive_from(timeout=PATIENCE))
        frames.append((frame["t"], frame.get("id")))
    assert frames.count(("html", "feeds")) == 1
    assert frames.count(("d", None)) == 1
    await socket.leave()
