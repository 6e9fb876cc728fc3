"""The figures of the strip over the desk, from the whole book."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.live.publish import AccountRow, ServerRow
from monitoring.replica.cells import NOTHING, SEVERITY_WORDS, money


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure: its name, the text to show, the query that it filters by, its severity for glyph and colour."""

    name: str
    label: str
    text: str
    query: str
    severity: int = 0
    title: str = ""


@dataclass(frozen=True, slots=True)
class Kpis:
    """The strip's eight, and the counts behind them."""

    items: tuple[Kpi, ...]
    accounts: int
    by_severity: tuple[int, int, int, int, int]
    dry_run: tuple[str, ...]  # servers whose limits are watched and not enforced
    behind: tuple[str, ...]  # servers whose feed is not connected, or brings nothing


def is_behind(server: ServerRow) -> bool:
    """Whether a feed is down: not connected, or connected while most of its accounts have old data (its broker)."""
    return server.state not in {"connected", "live", "ready"} or 2 * server.stale_accounts > server.accounts > 0


def summarize(rows: Sequence[AccountRow], servers: Sequence[ServerRow]) -> Kpis:
    """Count the book; "≥" before a count says that a feed is down and there may be more."""
    counts = Counter(row.severity for row in rows)
    by_severity = (counts[0], counts[1], counts[2], counts[3], counts[4])
    behind = tuple(server.server for server in servers if is_behind(server))
    least = "≥ " if behind else ""
    severities = tuple(
        Kpi(
            SEVERITY_WORDS[level].lower(),
            SEVERITY_WORDS[level],
            f"{least}{by_severity[level]:,}",
            f"sev={SEVERITY_WORDS[level].lower()}",
            level,
        )
        for level in (3, 2, 1)
    )
    today = sum(row.breached_today for row in rows)
    in_all = f"{by_severity[4]:,} stand breached in all"
    items = (
        Kpi("accounts", "Accounts", f"{len(rows):,}", ""),
        *severities,
        Kpi("breached", "Breached today", f"{least}{today:,}", "sev=breached", 4, in_all),
        _open_pl(rows),
        Kpi("headroom_p5", "Headroom p5", _headroom_p5(rows), "sort=room", title="5 % of accounts have less room left"),
        _slowest(servers),
    )
    dry_run = tuple(server.server for server in servers if server.enforcement_mode == "dry_run")
    return Kpis(items, len(rows), by_severity, dry_run, behind)


def _open_pl(rows: Sequence[AccountRow]) -> Kpi:
    sums: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows:
        sums[row.currency, row.digits] += row.open_pl
    texts = []
    for (currency, digits), total in sorted(sums.items(), key=lambda item: -abs(item[1])):
        whole = abs(total) // 10**digits
        texts.append(f"{money(-whole if total < 0 else whole, 0, sign=True)} {currency}")
    first = texts[0] if texts else NOTHING
    more = f" (+{len(texts) - 1})" if len(texts) > 1 else ""
    return Kpi("open_pl", "Open P/L", first + more, "sort=pl", title=" · ".join(texts[1:]))


def _headroom_p5(rows: Sequence[AccountRow]) -> str:
    """The room of the account at the fifth percentile, as a share of its size."""
    shares = sorted(row.headroom / row.size for row in rows if row.headroom is not None and row.size > 0)
    if not shares:
        return NOTHING
    percent = round(shares[len(shares) * 5 // 100] * 100, 1) or 0.0  # no minus before a zero
    return f"{percent:.1f}%".replace("-", "\u2212")


def _slowest(servers: Sequence[ServerRow]) -> Kpi:
    lags = [(server.lag_ms, server.server) for server in servers if server.lag_ms is not None]
    if not lags:
        return Kpi("slowest_feed", "Slowest feed", NOTHING, "v=stale")
    lag, name = max(lags)
    return Kpi("slowest_feed", "Slowest feed", f"{lag / 1000:.1f} s", "v=stale", title=name)
