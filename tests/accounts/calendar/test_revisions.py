"""Imports add, change and withdraw; each makes a revision, and every revision can be told again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from accounts import calendar
from accounts.calendar import (
    CalendarError,
    compare_news,
    current_market,
    import_holidays_csv,
    import_news,
    import_news_csv,
    latest_revision,
    read_news_csv,
    revision_at,
)
from accounts.models import AuditEntry, CalendarRevision, NewsAnnouncement, Role, Server, SymbolName, User

AT = datetime(2026, 12, 4, 12, tzinfo=UTC)
HEAD = "uid,at,currency,impact,title,symbols,withdrawn\n"
NFP = "nfp,2026-12-04T13:30:00Z,USD,high,Payrolls,,\n"
CPI = "cpi,2026-12-10T13:30:00Z,USD,high,CPI,US30,\n"


@pytest.fixture
def officer(people: dict[str, User]) -> User:
    return people["risk_officer"]


@pytest.fixture
def server(db: None) -> Server:
    return Server.objects.create(name="main", kind="fxsocket")


def test_an_import_makes_a_revision_that_counts(officer: User) -> None:
    first = import_news_csv(HEAD + NFP + CPI, officer, "december.csv")
    assert first is not None
    assert (first.added, first.changed, first.withdrawn, first.author) == (2, 0, 0, officer)
    later = NFP.replace("13:30", "15:00")
    second = import_news_csv(HEAD + later + "cpi,,,,,,yes\n", officer, "december.csv")
    assert second is not None
    assert (second.added, second.changed, second.withdrawn) == (0, 1, 1)
    entry = AuditEntry.objects.filter(verb="calendar_imported").latest("pk")
    assert (entry.target, entry.detail["withdrawn"]) == (str(second), 1)


def test_the_same_again_is_no_revision(officer: User) -> None:
    import_news_csv(HEAD + NFP, officer, "a")
    assert import_news_csv(HEAD + NFP.replace("13:30:00Z", "14:30:00+01:00"), officer, "b") is None
    assert CalendarRevision.objects.count() == 1


def test_nothing_is_half_imported(officer: User) -> None:
    with pytest.raises(CalendarError):
        import_news_csv(HEAD + NFP + "bad,,USD,high,X,,\n", officer, "a")
    with pytest.raises(CalendarError, match="gone: is to be withdrawn"):
        import_news_csv(HEAD + NFP + "gone,,,,,,yes\n", officer, "a")
    assert not NewsAnnouncement.objects.exists()
    assert latest_revision() == 0


def test_what_a_file_would_change_can_be_seen_first(officer: User) -> None:
    import_news_csv(HEAD + NFP + CPI, officer, "a")
    text = HEAD + NFP + CPI.replace("high", "low") + "ppi,2026-12-11T13:30:00Z,USD,low,PPI,,\n"
    changes = compare_news(read_news_csv(text))
    assert [row.uid for row in changes.added] == ["ppi"]
    assert [(held.impact, row.impact) for held, row in changes.changed] == [("high", "low")]
    assert (changes.withdrawn, changes.unchanged, bool(changes)) == ((), 1, True)
    assert CalendarRevision.objects.count() == 1


def test_a_revision_says_for_ever_what_it_said(officer: User, server: Server) -> None:
    first = import_news_csv(HEAD + NFP + CPI, officer, "a")
    second = import_news_csv(HEAD + NFP.replace("13:30", "15:00"), officer, "b")
    third = import_holidays_csv("server,day,name\n,2026-12-25,Christmas\n", officer, "c")
    fourth = import_news_csv(HEAD + "nfp,,,,,,yes\n", officer, "d")
    assert first is not None
    assert second is not None
    assert third is not None
    assert fourth is not None
    said = {one: [f"{news.at:%H:%M}" for news in revision_at(one.pk)[0]] for one in (first, second, third, fourth)}
    assert list(said.values()) == [["13:30", "13:30"], ["15:00", "13:30"], ["15:00", "13:30"], ["13:30"]]
    assert [revision_at(one.pk)[1].count() for one in (first, second, third, fourth)] == [0, 0, 1, 1]
    old = current_market(server, AT, revision=first.pk)
    assert (old.revision, old.news[0].at.hour, old.holidays) == (f"r{first.pk}", 13, ())


def test_the_market_is_what_the_engine_takes(officer: User, server: Server) -> None:
    other = Server.objects.create(name="other", kind="fxsocket")
    far = "far,2027-02-01T13:30:00Z,USD,high,Far away,,\n"
    import_news_csv(HEAD + NFP + CPI + far, officer, "a")
    import_holidays_csv(
        "server,day,name,closes,zone\n,2026-12-24,Eve,,\nmain,2026-12-24,Eve here,13:00,America/New_York\n"
        "other,2026-12-25,Not here,,\n,2026-12-26,Boxing Day,,\n",
        officer,
        "b",
    )
    SymbolName.objects.create(server=server, raw="GOLD.x", base="XAUUSD")
    SymbolName.objects.create(server=other, raw="OIL", base="USOIL")
    market = current_market(server, AT)
    assert market.revision == f"r{latest_revision()}"
    assert [(news.id, news.currency, news.symbols) for news in market.news] == [
        ("nfp", "USD", ()),
        ("cpi", "USD", ("US30",)),
    ]
    assert [(day.day.day, day.name, day.closes) for day in market.holidays] == [
        (24, "Eve here", "13:00"),
        (26, "Boxing Day", None),
    ]
    assert market.symbols == {"GOLD.x": "XAUUSD"}
    assert current_market("other", AT).symbols == {"OIL": "USOIL"}


def test_the_span_moves_with_time(officer: User, server: Server) -> None:
    import_news_csv(HEAD + NFP, officer, "a")
    seen = {days: len(current_market(server, AT + timedelta(days=days)).news) for days in (-16, -14, 0, 8, 11)}
    assert seen == {-16: 0, -14: 1, 0: 1, 8: 1, 11: 0}  # a window may be open for 7 days after the announcement
    assert len(current_market(server, AT, since=AT - timedelta(days=400), until=AT - timedelta(days=1)).news) == 0


def test_before_any_import_there_is_an_empty_market(server: Server) -> None:
    market = current_market(server, AT)
    assert (market.revision, market.news, market.holidays, market.symbols) == ("r0", (), (), {})


def test_json_makes_the_same_revision(officer: User) -> None:
    row = {"uid": "nfp", "at": "2026-12-04T13:30:00Z", "currency": "USD", "impact": "high", "title": "Payrolls"}
    assert import_news([row], officer, "API") is not None
    assert import_news_csv(HEAD + NFP, officer, "file") is None


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_are_two_revisions_in_order() -> None:
    officer = User.objects.create_user("risk", role=Role.RISK_OFFICER)
    barrier = Barrier(2)

    def work(name: str) -> int:
        try:
            barrier.wait(10)
            made = calendar.import_news_csv(HEAD + NFP.replace("Payrolls", name), officer, name)
            return made.added + 2 * made.changed if made else 0
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, ("one", "two"))) == [1, 2]
    assert NewsAnnouncement.objects.filter(until=None).count() == 1
