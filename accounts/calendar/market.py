"""The calendar as the engine takes it: what one revision says of one server's market around an instant."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Max, Q, QuerySet

from accounts.models import CalendarRevision, MarketHoliday, NewsAnnouncement, Server, SymbolName
from monitoring.engine.messages import Holiday, Market, NewsEvent

# What judging needs: a news window reaches 7 days at most, and what was not seen for a while is judged late. Whoever
# keeps a market asks anew at least once a day.
NEWS_BEFORE, NEWS_AFTER = timedelta(days=10), timedelta(days=15)
DAYS_BEFORE, DAYS_AFTER = timedelta(days=10), timedelta(days=60)


def current_market(
    server: Server | str,
    at: datetime,
    *,
    revision: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Market:
    """What the firm says of the server's market around `at`: news from 10 days before to 15 after, holidays from 10
    days before to 60 after, the table of symbols as it is now. `since` and `until` give another span, `revision` an
    older state of the calendar (symbols have no revisions).
    """
    found = server if isinstance(server, Server) else Server.objects.get(name=server)
    number = latest_revision() if revision is None else revision
    news, holidays = revision_at(number)
    news = news.filter(at__gte=since or at - NEWS_BEFORE, at__lte=until or at + NEWS_AFTER)
    first, last = (since or at) - DAYS_BEFORE, (until or at) + DAYS_AFTER
    holidays = holidays.filter(Q(server=None) | Q(server=found), day__gte=first.date(), day__lte=last.date())
    return Market(
        ts=at,
        revision=f"r{number}",
        news=market_events(news),
        holidays=market_holidays(holidays),
        symbols=dict(SymbolName.objects.filter(server=found).values_list("raw", "base")),
    )


def latest_revision() -> int:
    """The number of the newest revision; 0 before the first import."""
    return CalendarRevision.objects.aggregate(last=Max("pk"))["last"] or 0


def revision_at(number: int) -> tuple[QuerySet[NewsAnnouncement], QuerySet[MarketHoliday]]:
    """What revision `number` said: news and holidays."""
    held = Q(since_id__lte=number) & (Q(until=None) | Q(until_id__gt=number))
    return NewsAnnouncement.objects.filter(held), MarketHoliday.objects.filter(held)


def market_events(rows: QuerySet[NewsAnnouncement]) -> tuple[NewsEvent, ...]:
    """The announcements as the engine takes them."""
    return tuple(
        NewsEvent(
            id=row.uid, at=row.at, currency=row.currency, impact=row.impact, title=row.title, symbols=tuple(row.symbols)
        )
        for row in rows
    )


def market_holidays(rows: QuerySet[MarketHoliday]) -> tuple[Holiday, ...]:
    """One a day; what is said of this very server counts before what is said of all."""
    days: dict[object, MarketHoliday] = {}
    for row in rows.order_by("day", "server_id"):
        if row.day not in days or row.server_id is not None:
            days[row.day] = row
    return tuple(
        Holiday(
            day=row.day,
            name=row.name,
            closes=row.closes.strftime("%H:%M") if row.closes else None,
            zone=row.zone,
        )
        for row in days.values()
    )
