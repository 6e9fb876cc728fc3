"""What /feeds/ shows: each upstream's health, what was refused, the monitors, and this process's own view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db import DatabaseError, connection

from accounts.templatetags import formats
from monitoring.live.publish import ServerRow
from monitoring.replica.query import unknown
from monitoring.replica.store import Replica

Key = Callable[[ServerRow], Any]
CONNECTED = frozenset({"connected", "live", "ready"})
COLUMNS: dict[str, tuple[str, Key, bool]] = {  # name: heading, sort key, number
    "server": ("Upstream", lambda one: one.server, False),
    "state": ("State", lambda one: (one.state in CONNECTED, one.state), False),
    "mode": ("Enforcement", lambda one: one.enforcement_mode, False),
    "accounts": ("Accounts", lambda one: one.accounts, True),
    "stale": ("Stale", lambda one: one.stale_accounts, True),
    "since": ("Since (UTC)", lambda one: one.since_ms or 0, False),
    "lag": ("Lag", lambda one: -1 if one.lag_ms is None else one.lag_ms, True),
    "last": ("Last frame", lambda one: one.last_frame_ms or 0, True),
    "frames": ("Frames", lambda one: one.frames, True),
    "connects": ("Connects", lambda one: one.connects, True),
    "resyncs": ("Resyncs", lambda one: one.resyncs, True),
    "gaps": ("Gaps", lambda one: one.gaps, True),
    "late": ("Late", lambda one: one.late, True),
    "repeated": ("Repeated", lambda one: one.repeated, True),
    "refused": ("Refused", lambda one: one.refused, True),
    "dropped": ("Dropped", lambda one: one.dropped, True),
}
COUNTS = ("frames", "connects", "resyncs", "gaps", "late", "repeated", "refused", "dropped")
DAY_MS = 86_400_000
MODE_WORDS = {"live": "Live", "dry_run": "Dry run"}


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """Which upstreams to show, in which order; nonsense asks nothing, and `complaints` says so."""

    q: str = ""
    state: str = ""  # "" | up | down
    sort: str = "server"

    @classmethod
    def parse(cls, values: Mapping[str, str]) -> FeedQuery:
        """From a query string's values."""
        sort, state = values.get("sort", ""), values.get("state", "")
        return cls(
            values.get("q", "").strip()[:100],
            state if state in {"up", "down"} else "",
            sort if sort.removeprefix("-") in COLUMNS else "server",
        )

    @staticmethod
    def complaints(values: Mapping[str, str]) -> list[str]:
        """What `parse` leaves out of these values, a sentence each."""
        sort = values.get("sort", "")
        found = [
            unknown("state", values.get("state", ""), ("up", "down")),
            unknown("column to sort by", sort.removeprefix("-") or sort, COLUMNS),
        ]
        return [said for said in found if said]

    def querystring(self, **changes: str) -> str:
        """The query as an address has it, without what says nothing."""
        values = {"q": self.q, "state": self.state, "sort": self.sort, **changes}
        return urlencode(
            {name: value for name, value in values.items() if value and (name, value) != ("sort", "server")}
        )

    def pick(self, servers: list[ServerRow]) -> list[ServerRow]:
        """The upstreams that match, in order."""
        found = [one for one in servers if self.q.lower() in one.server.lower()]
        if self.state:
            found = [one for one in found if (one.state in CONNECTED) == (self.state == "up")]
        found.sort(key=COLUMNS[self.sort.removeprefix("-")][1], reverse=self.sort.startswith("-"))
        return found


def feeds_page(replica: Replica, query: FeedQuery, now_ms: int) -> dict[str, Any]:
    """The context of `_feeds.html`."""
    servers = replica.servers()
    shown = query.pick(servers)
    return {
        "query": query,
        "headings": _headings(query),
        "feeds": [feed(one, now_ms) for one in shown],
        "refusals": [refusal for one in shown for refusal in _refusals(one)],
        "seconds": [second_line(one) for one in shown],
        "total": len(servers),
        "processes": _processes(replica, now_ms),
        "warnings": replica.health().warnings,
    }


def feed(one: ServerRow, now_ms: int) -> dict[str, Any]:
    """One upstream's row, its figures as text."""
    up = one.state in CONNECTED
    return {
        "server": one.server,
        "kind": one.kind,
        "state": one.state.replace("_", " "),
        "up": up,
        "sev": 0 if up else 3,
        "reason": one.reason,
        "since": since(one.since_ms, now_ms),
        "since_whole": formats.utc_ms(one.since_ms),
        "lag": formats.NOTHING if one.lag_ms is None else f"{one.lag_ms:,} ms",
        "last_ms": one.last_frame_ms or 0,
        "last": formats.age(now_ms - one.last_frame_ms if one.last_frame_ms else None),
        "size": _counts(one, {"accounts": "accounts", "stale": "stale_accounts"}),
        "counts": _counts(one, {name: name for name in COUNTS}),
        "mode": MODE_WORDS.get(one.enforcement_mode, one.enforcement_mode),
        "dry": one.enforcement_mode == "dry_run",
    }


def second_line(one: ServerRow) -> dict[str, Any]:
    """How far the upstream's own rules are in step with ours, and what they said; it judges nobody."""
    names = ("rules_in_step", "rules_pending", "rules_refused", "rule_events", "orders_refused")
    return {
        "server": one.server,
        "counts": _counts(one, {name: name for name in names}),
        "refusal": one.rules_refusal,
        "off": one.enforcement_mode == "dry_run",
    }


def since(at_ms: int | None, now_ms: int) -> str:
    """The time of day in UTC, with the date when it was not within the last day."""
    if at_ms is None:
        return formats.NOTHING
    return f"{formats.moment(at_ms):%H:%M:%S}" if now_ms - at_ms < DAY_MS else f"{formats.moment(at_ms):%Y-%m-%d %H:%M}"


def _counts(one: ServerRow, names: Mapping[str, str]) -> list[tuple[str, str, int]]:
    return [(name, f"{(count := getattr(one, attribute)):,}", count) for name, attribute in names.items()]


def database_answers() -> bool:
    """Whether PostgreSQL answers this process now."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _refusals(one: ServerRow) -> list[dict[str, Any]]:
    """One line a reason, the most frequent first; the upstream's last refusal stands beside each."""
    ordered = sorted(one.refusals.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"server": one.server, "reason": reason.replace("_", " "), "count": f"{count:,}", "last": one.last_refusal}
        for reason, count in ordered
        if count
    ]


def _headings(query: FeedQuery) -> list[dict[str, Any]]:
    found = []
    for name, (title, _, number) in COLUMNS.items():
        here, down = query.sort.removeprefix("-") == name, query.sort.startswith("-")
        order = ("descending" if down else "ascending") if here else "none"
        link = query.querystring(sort=name if here and down else f"-{name}" if here else name)
        found.append({"name": name, "title": title, "number": number, "order": order, "link": link})
    return found


def _processes(replica: Replica, now_ms: int) -> list[dict[str, Any]]:
    """Monitors, servers and this web process: what answers, and since when not."""
    health = replica.health()
    found = []
    for shard, said in sorted(replica.monitors().items()):
        ready = bool(said.get("ready"))
        text = f"{'Leads' if said.get('leader') else 'Waits'} in epoch {said.get('epoch', formats.NOTHING)}"
        found.append(
            {"name": f"Monitor {shard}", "up": ready, "state": "Ready" if ready else "Not ready", "text": text}
        )
    if not found:
        found.append({"name": "Monitor", "up": False, "state": "Not heard yet", "text": health.message})
    postgresql, redis = database_answers(), health.live != "reconnecting"
    found.append({"name": "PostgreSQL", "up": postgresql, "state": "Answers" if postgresql else "Away", "text": ""})
    found.append(
        {"name": "Redis", "up": redis, "state": "Answers" if redis else "Away", "text": health.message * (not redis)}
    )
    fresh = health.live == "connected"
    found.append(
        {
            "name": "Last batch",
            "up": fresh,
            "state": "Fresh" if fresh else "Stale",
            "text": formats.utc_ms(health.data_ms),
            "u": health.data_ms or 0,
            "age": formats.age(now_ms - health.data_ms if health.data_ms else None),
        }
    )
    return found
