"""`manage.py run_simulator`: an upstream to try everything on. Needs no database and no Redis."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monitoring.upstream.simulator.server import DEFAULT_KEY, Options, Simulator
from monitoring.upstream.simulator.ticks import TickFileError

FIRST_YEAR, LAST_YEAR = 1971, 2999


class Command(BaseCommand):
    """See docs/simulator.md."""

    help = "Runs the simulated upstream: the FxSocket bearer dialect on real sockets, with a control API."
    requires_system_checks: list[str] = []  # Django's own attribute

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The flags."""
        parser.add_argument("--host", default="127.0.0.1", help="address of the upstream (default: loopback)")
        parser.add_argument("--port", type=int, default=8100, help="0 chooses a free one")
        parser.add_argument("--control-port", type=int, default=8101, help="0 chooses a free one; loopback only")
        parser.add_argument("--accounts", type=int, default=200)
        parser.add_argument("--rate", type=float, default=1.0, help="updates for each account and second")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--ticks", nargs="+", type=Path, default=[], metavar="FILE", help="tick files to replay")
        parser.add_argument("--speed", type=float, default=60.0, help="how many times their own pace ticks replay")
        parser.add_argument("--market-start", help="market time to start at (ISO 8601; without a zone it is UTC)")
        parser.add_argument("--key", default=DEFAULT_KEY, help="the API key")
        parser.add_argument("--scoped-key", action="append", default=[], metavar="KEY=ID,ID",
                            help="a further key that sees these accounts only")  # fmt: skip
        parser.add_argument("--rate-limit", type=int, default=60_000, help="requests a minute and key")
        parser.add_argument("--state", type=Path, help="file that keeps the world over a restart")
        parser.add_argument("--demo", action="store_true", help="script some accounts through warning and breach")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        try:
            simulator = Simulator(_options(options))
        except (TickFileError, ValueError) as error:
            raise CommandError(str(error)) from error
        asyncio.run(self._serve(simulator))

    async def _serve(self, simulator: Simulator) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await simulator.start()
        except OSError as error:
            raise CommandError(f"cannot listen: {error.strerror or error} (--port, --control-port)") from error
        if simulator.taken_up:
            self.stdout.write("Simulator goes on where it stopped")
        self.stdout.write(f"Simulator listens at {simulator.url} (control: {simulator.control_url})")
        self.stdout.flush()
        stopping, running = asyncio.create_task(stop.wait()), asyncio.create_task(simulator.wait())
        await asyncio.wait({stopping, running}, return_when=asyncio.FIRST_COMPLETED)
        await simulator.stop()
        stopping.cancel()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if simulator.failed is not None:
            raise CommandError(f"the simulated world failed: {simulator.failed!r}") from simulator.failed


def _options(given: dict[str, Any]) -> Options:
    _check("--accounts", given["accounts"], 0, 1_000_000)
    _check("--rate", given["rate"], 0.001, 1000)
    _check("--speed", given["speed"], 0.001, 100_000)
    _check("--rate-limit", given["rate_limit"], 1, 1_000_000_000)
    _check("--port", given["port"], 0, 65_535)
    _check("--control-port", given["control_port"], 0, 65_535)
    scoped_keys = dict(_scoped(text) for text in given["scoped_key"])
    if not given["key"].strip() or given["key"] in scoped_keys:
        raise ValueError("--key must be something, and no --scoped-key")
    return Options(
        host=given["host"], port=given["port"], control_port=given["control_port"], accounts=given["accounts"],
        rate=given["rate"], seed=given["seed"], ticks=tuple(given["ticks"]), speed=given["speed"],
        market_start=_instant(given["market_start"]), key=given["key"], demo=given["demo"],
        scoped_keys=scoped_keys, rate_limit=given["rate_limit"], state=given["state"],
    )  # fmt: skip


def _check(flag: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # false for NaN too
        raise ValueError(f"{flag} must be from {least} to {most}, not {value}")


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--market-start {text!r} is no ISO 8601 time") from error
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"--market-start {text!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _scoped(text: str) -> tuple[str, frozenset[str]]:
    key, separator, names = text.partition("=")
    if not key or not separator or not names:
        raise ValueError(f"--scoped-key {text!r} is not KEY=ID,ID")
    return key, frozenset(names.split(","))
