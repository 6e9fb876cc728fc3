"""The processes of one desk, as run_desk starts them (README: running in production lists the same commands)."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from riskdesk.services import Services, server_environment
from riskdesk.supervisor import Child


def service_children(services: Services, *, postgres: bool, redis: bool) -> list[Child]:
    """The embedded servers that are wanted; they end last."""
    children = []
    if postgres:
        children.append(
            Child(
                "postgres",
                tuple(services.postgres_command()),
                env=server_environment(),
                cwd="/",
                identity=services.identity,
                stage=0,
                stop_signal=signal.SIGINT,  # fast shutdown: no client can hold it up
                patience=20.0,
                before_start=lambda: services.clear_stale("postgres"),
                shown=False,
            )
        )
    if redis:
        children.append(
            Child(
                "valkey",
                tuple(services.valkey_command()),
                env=server_environment(),
                cwd="/",
                identity=services.identity,
                stage=0,
                shown=False,
            )
        )
    return children


def desk_children(settings: Any) -> list[Child]:
    """Simulator (without an upstream of one's own), monitor, web, the workers and beat."""
    root = str(settings.BASE_DIR)
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "riskdesk.settings",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore:You're running the worker",  # Celery's word on root; its messages are JSON only
    }
    manage = (sys.executable, "manage.py")
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "riskdesk")

    def child(name: str, *command: str, stage: int = 2) -> Child:
        return Child(name, command, env=env, cwd=root, stage=stage)

    def worker(name: str, queues: str, *how: str) -> Child:
        quiet = ("--without-gossip", "--without-mingle", "--loglevel", "WARNING")
        return child(name, *celery, "worker", "-Q", queues, "-n", f"{name}@%h", *how, *quiet)

    children = [
        child("monitor", *manage, "run_monitor"),
        child("web", *web_command(settings)),
        worker("critical", "alerts_critical", "--pool", "threads", "--concurrency", "4"),
        worker("worker", "alerts,bulk", "--pool", "prefork", "--concurrency", "2"),
        worker("jobs", "jobs", "--pool", "prefork", "--concurrency", "1"),
        child("beat", *celery, "beat", "--scheduler", "celery.beat.Scheduler", "--pidfile=", "--loglevel", "WARNING"),
    ]
    if settings.RISKDESK_UPSTREAM.is_simulator:
        children.insert(0, child("simulator", *manage, *simulator_arguments(settings), stage=1))
    return children


def web_command(settings: Any) -> tuple[str, ...]:
    """Daphne; behind a proxy (an https address) it takes the client's address from the proxy's headers."""
    proxied = ("--proxy-headers",) if settings.RISKDESK_PUBLIC_URL.startswith("https://") else ()
    where = ("-b", settings.RISKDESK_BIND, "-p", str(settings.PORT))
    return (sys.executable, "-m", "daphne", "-v", "0", *where, *proxied, "riskdesk.asgi:application")


def simulator_arguments(settings: Any) -> tuple[str, ...]:
    """run_simulator with the settings' ports, size and seed."""
    arguments = {
        "--port": settings.RISKDESK_SIMULATOR_PORT,
        "--control-port": settings.RISKDESK_SIMULATOR_CONTROL_PORT,
        "--accounts": settings.RISKDESK_DEMO_ACCOUNTS,
        "--rate": settings.RISKDESK_SIMULATOR_RATE,
        "--seed": settings.RISKDESK_SIMULATOR_SEED,
        "--key": settings.RISKDESK_UPSTREAM.key,
    }
    parts = [f"{name}={value}" for name, value in arguments.items()]  # a random key may begin with a hyphen
    if settings.RISKDESK_SIMULATOR_MARKET_START is not None:
        parts += ["--market-start", settings.RISKDESK_SIMULATOR_MARKET_START.isoformat()]
    if settings.RISKDESK_SIMULATOR_TICKS:
        parts += ["--speed", f"{settings.RISKDESK_SIMULATOR_SPEED:g}", "--ticks", *settings.RISKDESK_SIMULATOR_TICKS]
    else:
        # The newcomer's warning and breach, which a replayed market brings by itself; and no account that gets its
        # first balance back at each start.
        parts += ["--demo", "--state", str(settings.RISKDESK_STATE_DIR / "simulator.world")]
    return ("run_simulator", *parts)
