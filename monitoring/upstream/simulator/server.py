"""The simulator on real sockets: two ports, one loop, one world."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from aiohttp import web

from monitoring.upstream.simulator import control, memory, routes
from monitoring.upstream.simulator.api import shell
from monitoring.upstream.simulator.calendar import DEFAULT_START
from monitoring.upstream.simulator.control import control_shell
from monitoring.upstream.simulator.demo import STAGE
from monitoring.upstream.simulator.faults import Faults
from monitoring.upstream.simulator.hub import BUFFER_LIMIT, STUCK_SECONDS, Hub
from monitoring.upstream.simulator.market import Market, SyntheticMarket
from monitoring.upstream.simulator.service import SERVICE, RateLimit, Service
from monitoring.upstream.simulator.ticks import ReplayMarket, read_ticks
from monitoring.upstream.simulator.world import World

DEFAULT_KEY = "sim_local_key"
MAX_BEHIND = 1.0  # seconds: after a longer stall the world does not hurry


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a simulator; see docs/simulator.md."""

    host: str = "127.0.0.1"
    port: int = 0
    control_host: str = "127.0.0.1"
    control_port: int = 0
    accounts: int = 200
    rate: float = 1.0
    seed: int = 7
    ticks: tuple[Path, ...] = ()
    speed: float = 60.0
    market_start: datetime | None = None
    key: str = DEFAULT_KEY
    scoped_keys: dict[str, frozenset[str]] = field(default_factory=dict)
    demo: bool = False
    rate_limit: int = 60_000
    account_cap: int = 100_000
    heartbeat: float = 20
    pong_within: float = 30.0
    buffer_limit: int = BUFFER_LIMIT
    stuck_within: float = STUCK_SECONDS
    state: Path | None = None

    @property
    def world(self) -> str:
        """What a saved world must have been made with to be taken up."""
        return f"{self.seed} {self.accounts} {self.rate} {self.demo} {self.market_start}"


def market_of(options: Options) -> Market:
    """The market that the options ask for; TickFileError names what is wrong with a tick file."""
    if not options.ticks:
        return SyntheticMarket(options.seed, options.market_start or DEFAULT_START)
    beside = SyntheticMarket(options.seed, names=(STAGE,)) if options.demo else None
    found = read_ticks(options.ticks)
    return ReplayMarket(found, speed=options.speed, start=options.market_start, beside=beside)


class Simulator:
    """Start it, use it, stop it. `url` and `control_url` are known after `start`."""

    def __init__(self, options: Options) -> None:
        if not _is_loopback(options.control_host):
            raise ValueError(f"the control API binds to loopback only, not {options.control_host}")
        self.options = options
        if options.state is not None and options.ticks:
            raise ValueError("a replayed market is not saved: --state goes without --ticks")
        session = f"{int(time.time()):x}"
        saved = memory.load(options.state, options.world) if options.state is not None else None
        self.taken_up = saved is not None
        self.world = saved or World(
            seed=options.seed, accounts=options.accounts, rate=options.rate, market=market_of(options),
            demo=options.demo, session=session,
        )  # fmt: skip
        self.world.events.begin_session(session)
        if saved is not None:
            saved.recover()
        faults = Faults()
        hub = Hub(faults, options.buffer_limit, options.stuck_within)
        self.service = Service(
            self.world, hub, faults, {options.key: None, **options.scoped_keys}, RateLimit(options.rate_limit),
            options.heartbeat, options.pong_within, options.account_cap,
        )  # fmt: skip
        self.world.events.deliver = hub.deliver
        self.url = self.control_url = ""
        self._runners: list[web.AppRunner] = []
        self._clockwork: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind both ports and let the world run."""
        public = self._application(shell)
        public.add_routes(routes.routes())
        inner = self._application(control_shell)
        inner.add_routes(control.routes())
        port = await self._listen(public, self.options.host, self.options.port)
        control_port = await self._listen(inner, self.options.control_host, self.options.control_port)
        self.url = f"http://{_shown(self.options.host)}:{port}/v1"
        self.control_url = f"http://{_shown(self.options.control_host)}:{control_port}"
        self._clockwork = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close every socket with 1012, then the ports."""
        if self._clockwork is not None:
            self._clockwork.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clockwork
        if self.options.state is not None:
            memory.save_or_say(self.world, self.options.state, self.options.world)
        self.service.hub.flush()
        for reader in tuple(self.service.hub.readers):
            reader.close(1012)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.service.hub.empty.wait(), 3.0)
        for runner in self._runners:
            await runner.cleanup()

    @property
    def failed(self) -> BaseException | None:
        """What stopped the world, if something did."""
        task = self._clockwork
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    async def wait(self) -> None:
        """Until the world stops: only when it is cancelled or failed."""
        assert self._clockwork is not None
        await asyncio.shield(self._clockwork)

    def _application(self, middleware: object) -> web.Application:
        application = web.Application(middlewares=[middleware])  # type: ignore[list-item]  # a new-style one
        application[SERVICE] = self.service
        return application

    async def _listen(self, application: web.Application, host: str, port: int) -> int:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0, handler_cancellation=True)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port).start()
        return int(runner.addresses[0][1])

    async def _run(self) -> None:
        """One step of the world each `seconds`; late steps are made up for, but not more than a second of them."""
        world, service = self.world, self.service
        due = time.monotonic()
        save_at = due + memory.SAVE_SECONDS
        while True:
            for fault in service.faults.expire():
                service.end(fault)
            world.step()
            if world.moved:
                service.hub.tick(world.moved.values(), world.events.now_ms())
                world.moved.clear()
            due += world.seconds
            now = time.monotonic()
            if self.options.state is not None and now > save_at:
                memory.save_or_say(world, self.options.state, self.options.world)
                taken = time.monotonic() - now
                save_at = now + max(memory.SAVE_SECONDS, taken * memory.SAVE_SHARE)
            due = max(due, now - MAX_BEHIND)
            await asyncio.sleep(max(0.0, due - now))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
