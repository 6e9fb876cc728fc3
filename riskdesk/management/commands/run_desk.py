"""Starts a whole desk on one host and keeps it running: servers, simulator, monitor, web, workers."""

from __future__ import annotations

import asyncio
import errno
import secrets
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from accounts.plans import default_rule_set
from riskdesk import health
from riskdesk.children import desk_children, service_children
from riskdesk.console import Console
from riskdesk.env import kept_secret
from riskdesk.preparation import NotPossible, collect_static, migrate, only_one, ports_of, require_free_ports
from riskdesk.services import ServiceError, Services, layout
from riskdesk.supervisor import Supervisor

SECOND_SIGNAL_AFTER = 1.5  # seconds; make and the terminal may both pass one Ctrl-C on
PATIENCE_WITH_START = 120.0
LATER = ("critical", "worker", "jobs", "beat")  # they need a processor for seconds to start, and nobody waits for them
NO_PLACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
HEAD_START = 5.0  # seconds that the others get at most: an upstream that is down must not keep alerts from being sent


class Command(BaseCommand):
    """manage.py run_desk."""

    help = "Start RiskDesk on this host: PostgreSQL and Redis if none is configured, and all of its processes."
    requires_system_checks: list[str] = []  # the processes check themselves

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of run_desk."""
        parser.add_argument("--quiet", action="store_true", help="show progress only; the log files have the rest")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until Ctrl-C or SIGTERM; every child has ended when this returns."""
        console = Console(quiet=options["quiet"])
        try:
            with only_one(settings.RISKDESK_STATE_DIR):
                asyncio.run(Desk(console).run())
        except (NotPossible, ServiceError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            if error.errno not in NO_PLACE:
                raise
            state = settings.RISKDESK_STATE_DIR
            raise CommandError(f"{error} (the state is kept in {state}; RISKDESK_STATE_DIR moves it)") from error
        finally:
            console.close()


class Desk:
    """One run of the desk, from the first process to the last."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.state_dir: Path = settings.RISKDESK_STATE_DIR
        self.supervisor = Supervisor(console, self.state_dir)
        self.stopping = asyncio.Event()
        self.stop_asked_at = 0.0

    async def run(self) -> None:
        """Start everything, wait for a signal, stop everything."""
        loop = asyncio.get_running_loop()
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sent, self._on_signal, sent)
        starting = asyncio.create_task(self._start())
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting  # what kept the desk from starting is raised here
                await stop
        finally:
            starting.cancel()
            self.console.say("stopping every process")
            await self.supervisor.stop()
            await asyncio.wait([starting])
            self.console.say("stopped")

    def _on_signal(self, sent: signal.Signals) -> None:
        """The first signal stops in order; one more, a while later, at once."""
        if not self.stopping.is_set():
            self.stop_asked_at = time.monotonic()
            self.stopping.set()
        elif time.monotonic() - self.stop_asked_at > SECOND_SIGNAL_AFTER:
            self.console.say(f"{sent.name} again: killing every process")
            self.supervisor.kill()

    async def _start(self) -> None:
        """Everything between the command and the ready line."""
        began = time.monotonic()
        for name in await asyncio.to_thread(self.supervisor.end_leftovers):
            self.console.say(f"ended {name}, left over from a run that was killed")
        require_free_ports(ports_of(settings))
        await self._start_services()
        await self._prepare()
        first = {child.name: child for child in desk_children(settings)}
        later = [first.pop(name) for name in LATER]
        for child in first.values():
            self.supervisor.start(child)
        waiting = asyncio.create_task(self._wait_until_ready())
        await asyncio.wait([waiting], timeout=HEAD_START)
        for child in later:
            self.supervisor.start(child)
        await waiting
        self._announce(time.monotonic() - began)

    async def _start_services(self) -> None:
        """The embedded servers, where no other is configured."""
        postgres, redis = settings.RISKDESK_EMBEDDED_POSTGRES, settings.RISKDESK_EMBEDDED_REDIS
        if not (postgres or redis):
            return
        services = Services(layout(self.state_dir))
        names = " and ".join(name for name, wanted in (("PostgreSQL", postgres), ("Redis (Valkey)", redis)) if wanted)
        self.console.say(f"starting {names}, data in {services.where.data}")
        await asyncio.to_thread(services.prepare, postgres)
        for child in service_children(services, postgres=postgres, redis=redis):
            self.supervisor.start(child)
        deadline = time.monotonic() + PATIENCE_WITH_START
        while not await asyncio.to_thread(services.ready, postgres, redis):
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{names} did not answer within {PATIENCE_WITH_START:.0f} s; see {self.supervisor.logs}"
                )
            await asyncio.sleep(0.1)

    async def _prepare(self) -> None:
        """Tables, static files and the demo's people and plans."""
        self.console.say("bringing the tables up to date")
        await asyncio.to_thread(migrate)
        self.console.say("collecting static files")
        await asyncio.to_thread(collect_static, settings)
        self.console.say("making sure of the demo's users and plans")
        await asyncio.to_thread(self._seed)

    def _seed(self) -> None:
        """The demo's users, plan and logins; safe to repeat. Refuses a default plan that there is not."""
        demo_password()
        try:
            call_command("seed_demo", verbosity=0)
            default_rule_set()
        except ImproperlyConfigured as error:
            raise NotPossible(str(error)) from error
        finally:
            connections.close_all()

    async def _wait_until_ready(self) -> None:
        """Wait for /healthz: web serving, monitor ready. Says what is missing when that takes long, and waits on."""
        url, host = health.health_address(settings)
        self.console.say("waiting for the web and the monitor")
        began = told = time.monotonic()
        while True:
            code, answer = await asyncio.to_thread(health.ask, url, host)
            if health.is_ready(code, answer):
                return
            if time.monotonic() - told > 15.0:
                told = time.monotonic()
                self.console.say(f"not ready yet: {url} says {code or 'nothing'} {answer or ''}")
            await asyncio.sleep(0.2 if time.monotonic() - began < 15.0 else 1.0)

    def _announce(self, seconds: float) -> None:
        """The ready line and the demo logins."""
        upstream = settings.RISKDESK_UPSTREAM
        source = "the simulator" if upstream.is_simulator else upstream.rest_url
        self.console.say(
            f"started in {seconds:.1f} s; upstream: {source}; enforcement: {settings.RISKDESK_ENFORCEMENT}"
        )
        self.console.plain(f"RiskDesk is ready at http://127.0.0.1:{settings.PORT}")
        self.console.plain(
            "Sign in as risk (risk officer), head (head of risk), trader (owner of the first account) or auditor; "
            f"password: {demo_password()}"
        )


def demo_password() -> str:
    """The demo logins' password: RISKDESK_DEMO_PASSWORD, else one made once and kept (mode 0600)."""
    return settings.RISKDESK_DEMO_PASSWORD or kept_secret(
        settings.RISKDESK_DEMO_PASSWORD_FILE, lambda: secrets.token_urlsafe(9)
    )
