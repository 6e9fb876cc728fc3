"""A row as text: the one formatter behind the HTML of the first paint, the JSON of the socket and the CSV."""

from __future__ import annotations

from monitoring.live.publish import AccountRow

NOTHING = "—"
MINUS = "\u2212"
SEVERITY_WORDS = ("", "Watch", "Warning", "Critical", "Breached")
WATCH, WARNING, CRITICAL, BREACHED = 1, 2, 3, 4
FULL = 10_000  # ten-thousandths of a limit
ENFORCEMENT_WORDS = {
    "requested": "Closing",
    "sent": "Close sent",
    "accepted": "Close accepted",
    "partial": "Partly closed",
    "rejected": "Close rejected",
    "unknown": "Close unknown",
    "overdue": "Close overdue",
    "flat_confirmed": "Flat",
    "locked": "Flat, locked",
    "closed": "Closed",
    "dry_run": "Dry run",
}
STATE_WORDS = {"review": "Review", "unknown": "No verdict", "paused": "Paused"}
CONNECTION_WORDS = {"disconnected": "Disconnected", "auth_failed": "Login refused", "maintenance": "Maintenance"}

Cell = str | int | float
Cells = dict[str, Cell]


def money(minor: int | None, digits: int, *, sign: bool = False, whole: bool = False) -> str:
    """An amount of minor units with thousands commas; `sign` writes + too, `whole` leaves out zero decimals."""
    if minor is None:
        return NOTHING
    units, rest = divmod(abs(minor), 10**digits)
    text = f"{units:,}"
    if digits and not (whole and rest == 0):
        text = f"{text}.{rest:0{digits}d}"
    if minor < 0:
        return MINUS + text
    return "+" + text if sign and minor > 0 else text


def percent(used: int | None) -> str:
    """A share of a limit in ten-thousandths, one decimal, cut and not rounded: 99.98 % is not yet 100 %."""
    if used is None:
        return NOTHING
    tenths = max(used, 0) // 10
    return f"{tenths // 10:,}.{tenths % 10}%"


def age(ms: int | None) -> str:
    """How old something is, from milliseconds: 0.2 s, 59.9 s, 4 m 05 s, 3 h 20 m; live.js has the same words."""
    if ms is None:
        return NOTHING
    tenths = max(ms, 0) // 100
    if tenths < 600:
        return f"{tenths // 10}.{tenths % 10} s"
    minutes, seconds = divmod(tenths // 10, 60)
    if minutes < 60:
        return f"{minutes} m {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} m"


def gauge_width(used: int) -> float:
    """Width of a gauge, 0 to 100 with one decimal; a whole one is an int, so that HTML and JSON write the same."""
    tenths = min(max(used, 0) // 10, 1000)
    return tenths / 10 if tenths % 10 else tenths // 10


def gauge(row: AccountRow, rule: str, used: int | None) -> tuple[float, int]:
    """Width (0 to 100) and own severity of a rule's gauge: the worst of the account's rules of that name."""
    if used is None:
        return 0, 0
    states = {reading.state for reading in row.readings if reading.rule == rule}
    width = gauge_width(used)
    if states & {"breached", "paused"} or used >= FULL:
        return width, BREACHED
    if used >= 9000:
        return width, CRITICAL
    if "warned" in states or (states <= {"unknown"} and used >= 8000):
        return width, WARNING
    return width, WATCH if used >= 5000 else 0


def status(row: AccountRow) -> str:
    """What is being done about the account, or what ails it, in a word or two."""
    if row.enforcement:
        return ENFORCEMENT_WORDS.get(row.enforcement, row.enforcement)
    if row.locked:
        return "Locked"
    return STATE_WORDS.get(row.state) or CONNECTION_WORDS.get(row.status, "")


def rules(row: AccountRow) -> str:
    """Which version of its phase's rule set judges the account; a star says that a rule is set apart from it."""
    return f"v{row.rule_set_version}{'*' if row.overridden else ''}"


def cells(row: AccountRow) -> Cells:
    """Every cell of a desk row: text by column, and as numbers what is no text (severities, gauge widths, times).

    `sev` row severity 0 to 4 · `dl`, `ml` gauge widths 0 to 100 · `dls`, `mls` their severities ·
    `u` epoch ms of the newest update · `st` 1 if stale.
    """
    digits = row.digits
    daily_width, daily_severity = gauge(row, "daily_loss", row.daily_used)
    max_width, max_severity = gauge(row, "max_loss", row.max_used)
    return {
        "severity": SEVERITY_WORDS[row.severity],
        "account": row.login,
        "trader": row.trader or NOTHING,
        "phase": row.phase or NOTHING,
        "rules": rules(row),
        "status": status(row),
        "plan": row.plan or NOTHING,
        "server": row.server,
        "currency": row.currency,
        "size": money(row.size, digits, whole=True),
        "balance": money(row.balance, digits),
        "equity": money(row.equity, digits),
        "day_pl": money(row.day_pl, digits, sign=True),
        "daily_used": percent(row.daily_used),
        "max_used": percent(row.max_used),
        "headroom": money(row.headroom, digits),
        "reset_room": money(row.reset_room, digits),
        "positions": str(row.open_positions),
        "sev": row.severity,
        "dl": daily_width,
        "dls": daily_severity,
        "ml": max_width,
        "mls": max_severity,
        "u": row.updated_ms or 0,
        "st": int(row.stale),
    }
