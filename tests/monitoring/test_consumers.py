"""The live sockets: gates, the protocol, and pace: one update in flight, the rest merged, nothing lost."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connections
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account, AuditEntry, Role, Server, User
from monitoring import replica
from monitoring.consumers.pace import Outbox, Pace
from monitoring.consumers.windows import Delta, ViewGroup, moves
from monitoring.live.publish import Batch
from monitoring.replica import DeskQuery, Replica
from monitoring.routing import websocket_urlpatterns
from tests.monitoring.wire import Wire, account, event
from tests.waiting import PATIENCE, aeventually, eventually

sockets = pytest.mark.django_db(transaction=True)
application = URLRouter(websocket_urlpatterns)


class Page:
    """A browser's end of a socket."""

    def __init__(self, socket: WebsocketCommunicator) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(message))

    async def next(self, *kinds: str) -> dict[str, Any]:
        """The next frame of one of the kinds; others are passed over."""
        while True:
            frame: dict[str, Any] = json.loads(await self.socket.receive_from(timeout=PATIENCE))
            if frame["t"] in kinds:
                return frame

    async def code(self) -> int:
        """The close code; frames before it are passed over."""
        while (output := await self.socket.receive_output(timeout=PATIENCE))["type"] != "websocket.close":
            pass
        return int(output["code"])


@pytest_asyncio.fixture
async def wire(redis_url: str) -> AsyncIterator[Wire]:
    replica.stop()
    pen = Wire(redis_url)
    pen.put("sim-1", "sim-2", "sim-3")
    yield pen
    await sync_to_async(replica.stop)()
    await sync_to_async(connections.close_all)()  # of the thread that served the test


def make_user(name: str, role: Role) -> User:
    return User.objects.create_user(name, password="pw", role=role)


async def page(path: str, user: User | None) -> Page:
    """Open a socket with the cookies of a user's session."""
    client = Client()
    if user is not None:
        await sync_to_async(client.force_login)(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    socket = WebsocketCommunicator(application, path, headers=[(b"cookie", cookies.encode())])
    socket.scope["cookies"] = {name: morsel.value for name, morsel in client.cookies.items()}
    connected, _ = await socket.connect(timeout=PATIENCE)
    assert connected
    return Page(socket)


@pytest_asyncio.fixture
async def officer(transactional_db: None) -> User:
    return await sync_to_async(make_user)("risk", Role.RISK_OFFICER)


@sockets
async def test_an_anonymous_socket_is_closed_4401(wire: Wire) -> None:
    assert await (await page("/ws/desk/", None)).code() == 4401


@sockets
async def test_a_trader_at_the_desk_is_closed_4403_and_audited(wire: Wire) -> None:
    trader = await sync_to_async(make_user)("trader", Role.TRADER)
    desk = await page("/ws/desk/", trader)
    assert await desk.code() == 4403
    await sync_to_async(eventually)(AuditEntry.objects.filter(verb="access_refused").exists)
    entry = await AuditEntry.objects.aget(verb="access_refused")
    assert (entry.actor_name, entry.target) == ("trader", "/ws/desk/")


@sockets
async def test_a_role_that_is_lost_ends_the_socket_at_once(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="", offset=0, limit=200)
    await desk.next("snap")
    officer.role = Role.TRADER
    await sync_to_async(officer.save)()
    assert await desk.code() == 4403


@sockets
async def test_a_snapshot_then_only_what_changed(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="sort=login", offset=0, limit=200)
    snap = await desk.next("snap")
    assert (snap["v"], snap["total"], snap["order"]) == (1, 3, ["sim-1", "sim-2", "sim-3"])
    assert dict(snap["rows"])["sim-1"]["equity"] == "100,000.00"
    await desk.say(t="ack", seq=snap["seq"])
    wire.put("sim-2", equity=9_900_000)
    delta = await desk.next("d")
    assert [row[0] for row in delta["rows"]] == ["sim-2"]
    assert delta["rows"][0][1]["equity"] == "99,000.00"
    assert "trader" not in delta["rows"][0][1]
    assert delta["seq"] > snap["seq"]
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
async def test_without_an_acknowledgement_nothing_more_is_sent(wire: Wire, officer: User) -> None:
    """The changes of three seconds come as one frame once the page has caught up."""
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="sort=login", offset=0, limit=200)
    snap = await desk.next("snap")
    for step in range(1, 4):
        wire.put("sim-1", equity=10_000_000 - step * 100)
        wire.put("sim-2", balance=10_000_000 + step)
        beat = await desk.next("d", "hb")
        assert beat["t"] == "hb"
    await aeventually(lambda: getattr(replica.get().row("sim-1"), "equity", 0) == 9_999_700)
    await desk.next("hb")
    await desk.say(t="ack", seq=snap["seq"])
    merged = dict((await desk.next("d"))["rows"])
    assert merged["sim-1"]["equity"] == "99,997.00"
    assert merged["sim-2"]["balance"] == "100,000.03"
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
async def test_a_rising_severity_ranks_at_once_and_is_told(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="", offset=0, limit=200)
    snap = await desk.next("snap")
    await desk.say(t="ack", seq=snap["seq"])
    wire.publish([account("sim-3", 9, daily_used=10_100)], events=[event("k1", "sim-3", "breached", 4)])
    seen: dict[str, dict[str, Any]] = {}
    while not {"d", "alert"} <= seen.keys() or "order" not in seen["d"]:
        frame = await desk.next("d", "alert")
        seen[frame["t"]] = {**seen.get(frame["t"], {}), **frame}
        if frame["t"] == "d":
            await desk.say(t="ack", seq=frame["seq"])
    assert seen["d"]["order"][0] == "sim-3"
    assert seen["alert"]["events"][0]["word"] == "Breached"
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
async def test_a_held_order_counts_what_moved_and_comes_when_released(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="", offset=0, limit=200, hold=True)
    snap = await desk.next("snap")
    await desk.say(t="ack", seq=snap["seq"])
    wire.put("sim-3", daily_used=8600)
    seen: dict[str, Any] = {}
    while "moved" not in seen:
        frame = await desk.next("d")
        await desk.say(t="ack", seq=frame["seq"])
        seen |= frame
    assert "order" not in seen
    assert seen["moved"] == 1
    await desk.say(t="hold", on=False)
    frame = await desk.next("d")
    assert (frame["order"], frame["moved"]) == (["sim-3", "sim-1", "sim-2"], 0)
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
async def test_a_hidden_page_gets_alerts_and_no_figures(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view="", offset=0, limit=200)
    snap = await desk.next("snap")
    await desk.say(t="vis", hidden=True)
    await desk.say(t="ack", seq=snap["seq"])
    await desk.next("hb")
    wire.publish([account("sim-1", 5, daily_used=8200)], events=[event("k2", "sim-1")])
    assert (await desk.next("alert", "d"))["t"] == "alert"
    await desk.say(t="vis", hidden=False)
    assert dict((await desk.next("d"))["rows"])["sim-1"]["daily_used"] == "82.0%"
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
@pytest.mark.parametrize(
    "text",
    ['""', "nonsense", "[]", '{"t":"other"}', '{"t":"sub","limit":100000}', '{"t":"ack","seq":999999999}', "x" * 5000],
)
async def test_what_makes_no_sense_is_answered(wire: Wire, officer: User, text: str) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub")
    await desk.say(t="ack", seq=(await desk.next("snap"))["seq"])
    await desk.socket.send_to(text_data=text)
    assert (await desk.next("error"))["message"]
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
@pytest.mark.parametrize(
    ("view", "said"), [("a=b&" * 60, "40 fields at most"), ("sev=evil&sort=x", "There is no severity “evil”")]
)
async def test_a_view_that_cannot_be_shown_is_the_whole_desk_and_said(
    wire: Wire, officer: User, view: str, said: str
) -> None:
    desk = await page("/ws/desk/", officer)
    await desk.say(t="sub", view=view)
    assert said in (await desk.next("error"))["message"]
    assert (await desk.next("snap"))["total"] == 3
    await desk.socket.disconnect(timeout=PATIENCE)


@sockets
async def test_twenty_messages_that_make_no_sense_end_the_socket(wire: Wire, officer: User) -> None:
    desk = await page("/ws/desk/", officer)
    for _ in range(20):
        await desk.socket.send_to(bytes_data=b"\x00")
    assert await desk.code() == 4400


@sockets
async def test_a_trader_watches_his_own_account_and_no_other(wire: Wire) -> None:
    trader = await sync_to_async(make_user)("trader", Role.TRADER)
    server = await Server.objects.acreate(name="sim", kind="simulator")
    for name, owner in (("sim-1", trader), ("sim-2", None)):
        await Account.objects.acreate(public_id=name, server=server, upstream_id=name, login=name, trader=owner)
    assert await (await page("/ws/account/sim-2/", trader)).code() == 4403
    own = await page("/ws/account/sim-1/", trader)
    assert (await own.next("snap"))["order"] == ["sim-1"]
    assert (await own.next("points"))["y"]["equity"] == [100_000.0]
    mine = await page("/ws/me/", trader)
    assert (await mine.next("snap"))["order"] == ["sim-1"]
    await own.socket.disconnect(timeout=PATIENCE)
    await mine.socket.disconnect(timeout=PATIENCE)


# -- pace, without a socket ------------------------------------------------------------------------------------------


class Model:
    """What a page shows: it applies frames as table.js does."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.total = 0

    def take(self, text: str) -> int:
        frame = json.loads(text)
        for public_id, cells in frame["rows"]:
            self.rows.setdefault(public_id, {}).update(cells)
        if "order" in frame:
            self.order = frame["order"]
            self.rows = {public_id: cells for public_id, cells in self.rows.items() if public_id in set(self.order)}
        self.total = frame.get("total", self.total)
        return int(frame["seq"])


steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 11), st.integers(0, 11_000)),
        st.tuples(st.just("remove"), st.integers(0, 11), st.just(0)),
        st.tuples(st.just("tick"), st.booleans(), st.just(0)),
        st.tuples(st.just("ack"), st.just(0), st.just(0)),
        st.tuples(st.just("hide"), st.booleans(), st.just(0)),
        st.tuples(st.just("hold"), st.booleans(), st.just(0)),
    ),
    max_size=60,
)


@given(steps, st.sampled_from(["", "sev=watch", "sort=-dl", "sort=login&q=1"]), st.integers(0, 3), st.integers(1, 6))
def test_a_snapshot_and_its_deltas_are_a_fresh_snapshot(
    actions: list[tuple[str, Any, int]], view: str, offset: int, limit: int
) -> None:
    book = Replica()
    book.load(
        "main", [account(f"sim-{n}", used, daily_used=used) for n, used in enumerate((0, 5500, 8100, 0, 9300, 1))], None
    )
    query, dirty, rev, version = DeskQuery.from_string(view), set[str](), 10_000, 0
    group, pace, page = ViewGroup(book, query, offset, limit), Pace(0.0), Model()
    seq = 1
    page.take(group.snapshot(seq, None))
    pace.restart(seq, 0.0)
    unread: str | None = None
    everything = False

    def tick(rank: bool) -> None:
        nonlocal seq, unread, everything
        seq += 1
        if text := pace.offer(group.tick(None if everything else set(dirty), rank or everything), seq, None, 0.0):
            assert unread is None, "two frames in flight"
            unread = text
        dirty.clear()
        everything = False

    def ack() -> None:
        nonlocal unread
        if unread is not None:
            page.take(unread)
            unread = None
        if pace.in_flight is not None:
            assert pace.ack(pace.in_flight)

    for kind, value, used in actions:
        if kind in {"change", "remove"}:
            rev, version = rev + 1, version + 1
            name = f"sim-{value}"
            rows = [account(name, rev, daily_used=used)] if kind == "change" else []
            book.apply("main", Batch(1, version, version, rows, [] if rows else [name], [], [], []))
            dirty.add(name)
            everything |= not rows
        elif kind == "tick":
            tick(rank=bool(value))
        elif kind == "ack":
            ack()
        elif kind == "hide":
            pace.show(bool(value), 0.0)
        elif value and not group.frozen:
            group = group.frozen_copy()
        elif not value and group.frozen:
            fresh = ViewGroup(book, query, offset, limit)
            if text := pace.offer(fresh.since(group), seq, None, 0.0):
                unread = text
            group = fresh
    pace.show(False, 0.0)
    if group.frozen:
        fresh = ViewGroup(book, query, offset, limit)
        if text := pace.offer(fresh.since(group), seq, None, 0.0):
            unread = text
        group = fresh
    for _ in range(3):
        ack()
        tick(rank=True)
    ack()
    wanted = book.view(query, offset, limit)
    assert page.order == list(wanted.ids)
    assert page.total == wanted.total
    assert page.rows == {row.public_id: book.cells(row) for row in wanted.rows}


def test_a_page_that_stops_reading_is_lost_after_30_s_unless_hidden() -> None:
    pace = Pace(0.0)
    assert pace.offer(Delta(rows={"sim-1": {"equity": "1"}}), 1, None, 0.0)
    pace.heard(20.0)
    assert not pace.lost(29.0)
    assert pace.lost(31.0)
    pace.show(True, 31.0)
    assert not pace.lost(60.0)
    assert pace.lost(300.0)


def test_moves_are_counted_once() -> None:
    assert moves("abc", "abc") == 0
    assert moves("abc", "cab") == 1
    assert moves("abc", "dab") == 1
    assert moves("", "ab") == 2


async def test_an_outbox_keeps_the_newest_of_a_kind_and_is_bounded() -> None:
    outbox = Outbox()
    for n in range(200):
        outbox.put("hb", str(n))
        outbox.put(f"alert:{n}", "a")
    taken = [await outbox.take() for _ in range(50)]
    assert taken.count("a") in {49, 50}
    assert "198" not in taken
