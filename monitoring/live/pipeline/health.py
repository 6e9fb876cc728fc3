"""The monitor's own door, on the loopback: /healthz (200 when able, 503 until ready) and /metrics."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

log = structlog.get_logger(__name__)


async def serve(port: int, health: Callable[[], dict[str, Any]]) -> web.AppRunner | None:
    """Serve on 127.0.0.1; a taken port is told in the log and stops nothing."""

    async def healthz(_request: web.Request) -> web.Response:
        answer = health()
        return web.json_response(answer, status=200 if answer["ready"] else 503, dumps=json.dumps)

    async def figures(_request: web.Request) -> web.Response:
        text = await asyncio.to_thread(generate_latest)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/metrics", figures)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        log.error("monitor_port_taken", port=port, error=str(error), set="RISKDESK_MONITOR_PORT")
        await runner.cleanup()
        return None
    return runner
