"""Runs the live path of one shard: leads it, or stands by until it may."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from monitoring.live.leadership import Leadership
from monitoring.live.pipeline import health
from monitoring.live.pipeline.monitor import Monitor, Setup
from monitoring.live.pipeline.recovery import remember
from monitoring.live.publish.publisher import connect
from monitoring.live.recorder.hints import Hints
from monitoring.upstream.base import UpstreamConfig

log = structlog.get_logger(__name__)
SWITCH_S = 0.0005  # threads (publisher, recorder) give the loop its turn back ten times sooner than by default
EVALUATE = "alerts.tasks.evaluate"  # by name: monitoring knows nothing of alerts


class Command(BaseCommand):
    """See the module."""

    help = "Run the monitor of a shard: upstream in, rules, enforcement, publish. Stops on SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--shard` and `--port`."""
        parser.add_argument("--shard", default=settings.RISKDESK_SHARD)
        parser.add_argument("--port", type=int, default=settings.RISKDESK_MONITOR_PORT, help="of /healthz and /metrics")
        parser.add_argument("--server", default="", help="the server's name; default: the shard's")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until told to stop."""
        sys.setswitchinterval(SWITCH_S)
        asyncio.run(Process(options["shard"], options["port"], options["server"] or options["shard"]).run())


class Process:
    """The process: one HTTP door, and one run after another of standing by and leading."""

    def __init__(self, shard: str, port: int, server: str) -> None:
        self.shard, self.port, self.server = shard, port, server
        self.monitor: Monitor | None = None
        self.stop = asyncio.Event()
        self.conninfo = conninfo()
        # Bound in this thread (a Celery app is one thread's own), used in that of the hints.
        app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy's method
        self.hints = Hints(
            lambda event_id: app.send_task(EVALUATE, args=[event_id], queue="alerts_critical", retry=False)
        )

    async def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        door = await health.serve(self.port, self.health)
        try:
            while not self.stop.is_set():
                await self.lead_once()
        finally:
            if door is not None:
                await door.cleanup()
            self.hints.close()
        log.info("stopped", shard=self.shard)

    async def lead_once(self) -> None:
        """Stand by, take the lead, keep it as long as it lasts."""
        leadership = Leadership(self.conninfo, self.shard, f"{socket.gethostname()}:{os.getpid()}")
        client = connect(settings.REDIS_URL)
        try:
            memory = await asyncio.to_thread(remember, settings.RISKDESK_JOURNAL_DIR, self.shard, self.conninfo, client)
            if not await self.acquire(leadership, memory.epoch):
                return
            # What the leader before us wrote until its end:
            memory = await asyncio.to_thread(remember, settings.RISKDESK_JOURNAL_DIR, self.shard, self.conninfo, client)
            setup = Setup(
                shard=self.shard,
                conninfo=self.conninfo,
                redis=client,
                journal_dir=settings.RISKDESK_JOURNAL_DIR,
                upstream=upstream(self.server),
                hint=self.hints.give,
                recording_dir=settings.RISKDESK_RECORDING_DIR if settings.RISKDESK_RECORDING else None,
            )
            self.monitor = Monitor(setup, leadership, memory)
            await self.monitor.run(self.stop)
        finally:
            self.monitor = None
            await leadership.release()
            client.close()

    async def acquire(self, leadership: Leadership, epoch: int) -> bool:
        """Wait for the lead; False if we are told to stop first."""
        claim = asyncio.create_task(leadership.acquire(epoch))
        told = asyncio.create_task(self.stop.wait())
        await asyncio.wait([claim, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not claim.done():
            claim.cancel()
            await asyncio.gather(claim, return_exceptions=True)
            return False
        claim.result()
        return True

    def health(self) -> dict[str, Any]:
        """The leader's word, or that this process stands by."""
        if self.monitor is not None:
            return self.monitor.health()
        return {"ready": False, "leader": False, "epoch": 0, "accounts": 0, "feeds": {}, "shard": self.shard}


def conninfo() -> str:
    """Django's own database as psycopg wants it (tests rename it)."""
    from psycopg.conninfo import make_conninfo

    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "service")
    return make_conninfo(**{name: parameters[name] for name in names if parameters.get(name)})


def upstream(server: str) -> UpstreamConfig:
    """The configured upstream; its key stays out of every log."""
    chosen = settings.RISKDESK_UPSTREAM
    # The simulator speaks the same dialect, yet a mode that was chosen for it must not hold for a real upstream.
    kind = "simulator" if chosen.is_simulator else chosen.kind
    return UpstreamConfig(kind, chosen.rest_url, chosen.ws_url, chosen.key, server=server)
