"""The calendar's page: what is coming, what an import would change, and what it did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts import calendar, overrides, plans
from accounts.models import CalendarRevision, NewsAnnouncement, User
from tests.accounts.book import a_challenge, a_document

SignIn = Callable[[str], Client]
HEAD = "uid,at,currency,impact,title,symbols\n"


def line(uid: str, minutes: float, **other: str) -> str:
    at = (timezone.now() + timedelta(minutes=minutes)).isoformat()
    told = {"currency": "USD", "impact": "high", "title": f"News {uid}", "symbols": ""} | other
    return f"{uid},{at},{told['currency']},{told['impact']},{told['title']},{told['symbols']}\n"


@pytest.fixture
def officer(people: dict[str, User]) -> User:
    return people["risk_officer"]


def test_coming_news_are_listed_and_live_ones_marked(signed_in: SignIn, officer: User, people: dict[str, User]) -> None:
    rule = {"rule": "news_window", "before_minutes": 5, "after_minutes": 10}
    challenge = a_challenge()
    document = a_document(rules=[*a_document()["rules"], rule])
    plans.publish(challenge.rule_set.phase, document, people["head_of_risk"], "news")
    a_challenge("acc_2")
    text = HEAD + line("live", -3) + line("soon", 60) + line("quiet", 70, impact="low") + line("old", -3000)
    calendar.import_news_csv(text, officer, "a")
    page = signed_in("auditor").get("/calendar/").content.decode()
    assert page.count("Live now") == 1
    assert "News soon" in page
    assert "no rule in use" in page
    assert "News old" not in page
    assert "Import</a>" not in page


def test_the_window_of_one_account_alone_is_shown_too(signed_in: SignIn, officer: User) -> None:
    account = a_challenge().account
    calendar.import_news_csv(HEAD + line("live", -3), officer, "a")
    rule = {"before_minutes": 5, "after_minutes": 10}
    made = overrides.set_override(account, "news_window", 0, rule, officer, "agreed")
    assert b"Live now" in signed_in("auditor").get("/calendar/").content
    overrides.end_override(made, officer, "over")
    assert b"no rule in use" in signed_in("auditor").get("/calendar/").content


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=aya", ["aya"]),
        ("currency=eur", ["bee"]),
        ("impact=low", ["cee"]),
        ("sort=-title", ["cee", "bee", "aya"]),
        ("revision=0", []),
        ("since=2000-01-01&until=2000-01-02", []),
        ("impact=huge", []),
        ("sort=colour", []),
        ("since=2030-01-01&until=2029-01-01", []),
        ("revision=x", []),
    ],
)
def test_the_list_is_filtered_and_sorted_by_its_address(
    signed_in: SignIn, officer: User, query: str, found: list[str]
) -> None:
    text = HEAD + line("aya", 10) + line("bee", 20, currency="EUR") + line("cee", 30, impact="low")
    calendar.import_news_csv(text, officer, "a")
    page = signed_in("risk_officer").get(f"/calendar/?{query}").content.decode()
    places = [page.index(f"News {uid}") for uid in found]
    assert places == sorted(places)
    assert page.count('<tr data-state="') == len(found)


def test_an_export_can_be_imported_again(signed_in: SignIn, officer: User) -> None:
    calendar.import_news_csv(HEAD + line("a", 10, symbols="US30 XAUUSD"), officer, "a")
    cut = {"uid": "-cut", "at": "2036-12-04T13:30:00Z", "currency": "USD", "impact": "high", "title": "-0.25% expected"}
    calendar.import_news([cut], officer, "a")
    calendar.import_holidays_csv("server,day,name\n,2036-12-25,Christmas\n", officer, "b")
    client = signed_in("risk_officer")
    for show, take in (("news", calendar.import_news_csv), ("holidays", calendar.import_holidays_csv)):
        answer: Any = client.get(f"/calendar/?show={show}&format=csv")
        text = b"".join(answer.streaming_content).decode()
        assert take(text, officer, "again") is None
    wrong = client.get("/calendar/?format=csv&impact=huge")
    assert (wrong.status_code, b"huge" in wrong.content) == (400, True)


def test_an_import_is_looked_at_first(signed_in: SignIn, officer: User) -> None:
    calendar.import_news_csv(HEAD + line("a", 10), officer, "a")
    client = signed_in("risk_officer")
    text = HEAD + line("a", 20) + line("b", 30)
    upload = SimpleUploadedFile("week.csv", text.encode(), "text/csv")
    page = client.post("/calendar/import/", {"kind": "news", "file": upload, "do": "preview"})
    assert page.status_code == 200
    assert b"1 added, 1 changed, 0 withdrawn; 0 as they are. From week.csv." in page.content
    assert CalendarRevision.objects.count() == 1
    sent = {"kind": "news", "text": text, "source": "week.csv", "do": "import"}
    done = client.post("/calendar/import/", sent, follow=True)
    assert b"Imported as revision r" in done.content
    made = CalendarRevision.objects.latest("pk")
    assert (made.source, made.author, made.added, made.changed) == ("week.csv", officer, 1, 1)
    again = client.post("/calendar/import/", sent, follow=True)
    assert b"no revision was made" in again.content


def test_whatever_could_be_looked_at_can_be_taken_over(signed_in: SignIn) -> None:
    """A browser sends the text back as the form says; percent by percent it would be more than a request may carry."""
    client = signed_in("risk_officer")
    text = HEAD + "".join(line(f"n{number}", number, title="Ставка " * 28) for number in range(4_500))
    assert 1_500_000 < len(text.encode()) < 2_000_000
    upload = SimpleUploadedFile("year.csv", text.encode(), "text/csv")
    page = client.post("/calendar/import/", {"kind": "news", "file": upload, "do": "preview"}).content.decode()
    form = page[page.index("<form", page.index('id="preview-title"')) :].partition(">")[0]
    sent = {"kind": "news", "text": text.replace("\n", "\r\n"), "source": "year.csv", "do": "import"}
    if "multipart/form-data" in form:
        done = client.post("/calendar/import/", sent)
    else:
        done = client.post("/calendar/import/", urlencode(sent), content_type="application/x-www-form-urlencoded")
    assert done.status_code == 302
    assert NewsAnnouncement.objects.count() == 4_500


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"kind": "news", "text": HEAD + "a,b,c,d,e,f\n"}, b"line 2 at"),
        ({"kind": "news", "text": ""}, b"Choose a file or paste its text."),
        ({"kind": "weather", "text": "x"}, b"Choose news or holidays."),
        ({"kind": "holidays", "text": "server,day,name\nnowhere,2026-12-25,X\n"}, b"line 2 server"),
        ({"kind": "news", "text": "a\0b"}, b"Null characters"),
        ({"kind": "news", "file": SimpleUploadedFile("a.csv", b"\xff\xfe")}, b"no UTF-8"),
        ({"kind": "news", "file": SimpleUploadedFile("a.csv", b"x" * 2_000_001)}, b"import it in parts"),
    ],
)
@pytest.mark.parametrize("do", ["preview", "import"])
def test_a_wrong_file_is_refused_by_line(signed_in: SignIn, sent: dict[str, Any], said: bytes, do: str) -> None:
    if "file" in sent:
        sent["file"].seek(0)
    answer = signed_in("risk_officer").post("/calendar/import/", {**sent, "do": do})
    assert answer.status_code == 422
    assert said in answer.content
    assert not NewsAnnouncement.objects.exists()


def test_every_import_is_listed_with_what_it_said_then(signed_in: SignIn, officer: User) -> None:
    first = calendar.import_news_csv(HEAD + line("a", 10), officer, "first.csv")
    calendar.import_news_csv("uid,at,currency,impact,title,withdrawn\na,,,,,yes\n", officer, "second.csv")
    assert first is not None
    client = signed_in("auditor")
    page = client.get("/calendar/?show=revisions").content.decode()
    assert page.index("second.csv") < page.index("first.csv")
    assert b"News a<" in client.get(f"/calendar/?show=news&revision={first.pk}").content
    assert b"News a<" not in client.get("/calendar/").content


def test_who_may_only_read_imports_nothing(signed_in: SignIn) -> None:
    assert signed_in("auditor").post("/calendar/import/", {"kind": "news", "text": "x"}).status_code == 403


def test_an_empty_calendar_says_what_to_do(signed_in: SignIn) -> None:
    client = signed_in("risk_officer")
    assert b"No announcement is coming" in client.get("/calendar/").content
    assert b"No holiday is coming" in client.get("/calendar/?show=holidays").content
    assert b"Nothing was imported yet" in client.get("/calendar/?show=revisions").content
