"""The dialect's table of calls, under /v1."""

from __future__ import annotations

from aiohttp import web

from monitoring.upstream.simulator import rest_accounts as accounts
from monitoring.upstream.simulator import rest_orders as orders
from monitoring.upstream.simulator.api import json_response, service_of
from monitoring.upstream.simulator.stream import stream


async def healthz(request: web.Request) -> web.Response:
    """GET /healthz: no key needed."""
    return json_response({"status": "ok", "accounts": len(service_of(request).world.accounts)})


def routes() -> list[web.AbstractRouteDef]:
    """Every call of the bearer dialect."""
    one = "/v1/accounts/{id}"
    return [
        web.get("/v1/stream", stream),
        web.get("/v1/healthz", healthz),
        web.get("/v1/accounts", accounts.list_accounts),
        web.post("/v1/accounts", accounts.create_account),
        web.get("/v1/account", accounts.first_account),
        web.get(one, accounts.get_account),
        web.patch(one, accounts.patch_account),
        web.delete(one, accounts.delete_account),
        web.put(f"{one}/credentials", accounts.put_credentials),
        web.get(f"{one}/positions", accounts.list_positions),
        web.post(one + "/positions/{pid}/close", orders.close_position),
        web.post(f"{one}/close-all", orders.close_all),
        web.get(f"{one}/risk-rules", accounts.get_rules),
        web.put(f"{one}/risk-rules", accounts.put_rules),
        web.get(f"{one}/risk-rules/history", accounts.rules_history),
        web.post(f"{one}/lock", accounts.lock),
        web.post(f"{one}/unlock", accounts.unlock),
        web.post(f"{one}/subscribe", accounts.put_filter),
        web.get(f"{one}/subscribe", accounts.get_filter),
        web.delete(f"{one}/subscribe", accounts.delete_filter),
        web.get(f"{one}/trades", accounts.list_trades),
        web.get(f"{one}/events", accounts.list_events),
        web.post("/v1/orders", orders.create_order),
        web.patch("/v1/orders/{oid}", orders.patch_order),
        web.delete("/v1/orders/{oid}", orders.delete_order),
        web.get("/v1/symbols", orders.list_symbols),
        web.get("/v1/symbols/{name}", orders.get_symbol),
        web.get("/v1/quotes/{name}", orders.get_quote),
        web.get("/v1/groups", accounts.list_groups),
    ]
