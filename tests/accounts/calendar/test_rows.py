"""A calendar file is read whole: every wrong line is named, or every row is right."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.calendar import (
    CalendarError,
    read_holidays,
    read_holidays_csv,
    read_news,
    read_news_csv,
)
from accounts.models import Server

HEAD = "uid,at,currency,impact,title,symbols\n"


def paths(text: str) -> list[str]:
    with pytest.raises(CalendarError) as caught:
        read_news_csv(text)
    return [path for path, _ in caught.value.errors]


def test_a_good_file_is_read_in_utc() -> None:
    text = "\ufeff" + HEAD + 'nfp,2026-12-04T14:30:00+01:00,usd,HIGH,"Payrolls, total",us30; XAUUSD\r\n\r\n'
    (row,) = read_news_csv(text)
    assert (row.uid, row.at) == ("nfp", datetime(2026, 12, 4, 13, 30, tzinfo=UTC))
    assert (row.currency, row.impact, row.title, row.symbols) == ("USD", "high", "Payrolls, total", ("US30", "XAUUSD"))


def test_the_columns_may_come_in_any_order() -> None:
    (row,) = read_news_csv("title,impact,uid,at,currency\nCPI,low,a,2026-12-04T13:30:00Z,EUR\n")
    assert (row.uid, row.title) == ("a", "CPI")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (",2026-12-04T13:30:00Z,USD,high,NFP,", "line 2 uid"),
        ("a,2026-12-04T13:30:00,USD,high,NFP,", "line 2 at"),
        ("a,tomorrow,USD,high,NFP,", "line 2 at"),
        ("a,0001-01-01T00:00:00+01:00,USD,high,NFP,", "line 2 at"),
        ("a,2026-02-30T00:00:00Z,USD,high,NFP,", "line 2 at"),
        ("a,2026-12-04T13:30:00Z,U$,high,NFP,", "line 2 currency"),
        ("a,2026-12-04T13:30:00Z,USD,extreme,NFP,", "line 2 impact"),
        ("a,2026-12-04T13:30:00Z,USD,high,,", "line 2 title"),
        ("a,2026-12-04T13:30:00Z,USD,high,N\0FP,", "line 2 title"),
        ("a,2026-12-04T13:30:00Z,USD,high," + "x" * 201 + ",", "line 2 title"),
        ("a,2026-12-04T13:30:00Z,USD,high,NFP,EUR/USD", "line 2 symbols"),
        ("a,2026-12-04T13:30:00Z,USD,high,NFP", "line 2"),
        ('a,"unclosed', "line 2"),
    ],
)
def test_a_wrong_line_is_named_with_its_column(line: str, path: str) -> None:
    assert path in paths(HEAD + line + "\n")


@pytest.mark.parametrize(("title", "sign"), [("Non-Farm\u00a0Payrolls", "U+00A0"), ('"Non-Farm\nPayrolls"', "U+000A")])
def test_a_sign_that_nobody_sees_is_named(title: str, sign: str) -> None:
    with pytest.raises(CalendarError) as caught:
        read_news_csv(HEAD + f"a,2026-12-04T13:30:00Z,USD,high,{title},\n")
    assert caught.value.errors == [("line 2 title", f"has a sign that nobody would see: {sign}")]


def test_every_wrong_line_is_named_at_once() -> None:
    lines = ["a,x,USD,high,A,", "b,2026-12-04T13:30:00Z,USD,high,B,", "b,2026-12-05T13:30:00Z,USD,high,B,", "c,,,,,"]
    found = paths(HEAD + "\n".join(lines))
    assert found == ["line 2 at", "line 4", "line 5 at", "line 5 currency", "line 5 impact", "line 5 title"]


@pytest.mark.parametrize(
    "text", ["", "\n", "uid,at\n", HEAD, "uid,uid,at,currency,impact,title\n", HEAD.replace("symbols", "colour")]
)
def test_a_wrong_head_or_an_empty_file_is_refused(text: str) -> None:
    assert paths(text)


def test_a_cell_over_lines_keeps_the_numbers_right() -> None:
    assert paths(HEAD + '"a\nb",2026-12-04T13:30:00Z,USD,high,T,\nc,x,USD,high,T,\n')[-1] == "line 4 at"


def test_a_withdrawn_one_needs_its_uid_only() -> None:
    (row,) = read_news_csv("uid,at,currency,impact,title,withdrawn\na,,,,,yes\n")
    assert row.withdrawn


def test_json_is_read_as_strictly() -> None:
    (row,) = read_news(
        [
            {
                "uid": "a",
                "at": "2026-12-04T13:30:00Z",
                "currency": "USD",
                "impact": "high",
                "title": "T",
                "symbols": ["us30"],
                "withdrawn": False,
            }
        ]
    )
    assert row.symbols == ("US30",)
    with pytest.raises(CalendarError) as caught:
        read_news([{"uid": 5, "colour": "red"}, "x"])
    assert {"news[0].uid", "news[0].colour", "news[0].at", "news[1]"} <= {path for path, _ in caught.value.errors}
    with pytest.raises(CalendarError):
        read_news({"uid": "a"})


def test_holidays_are_read(db: None) -> None:
    server = Server.objects.create(name="main", kind="fxsocket")
    text = "server,day,name,closes,zone\n,2026-12-25,Christmas,,\nmain,2026-12-24,Eve,13:00,America/New_York\n"
    first, second = read_holidays_csv(text)
    assert (first.server, first.day, first.closes, first.zone) == (None, date(2026, 12, 25), None, "UTC")
    assert (second.server, second.closes, second.zone) == (server, time(13), "America/New_York")
    assert read_holidays([{"server": None, "day": "2026-12-25", "name": "Christmas"}]) == [first]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("nowhere,2026-12-25,X,,", "line 2 server"),
        (",2026-13-25,X,,", "line 2 day"),
        (",20261225,X,,", "line 2 day"),
        (",2026-12-25,,,", "line 2 name"),
        (",2026-12-25,X,25:00,UTC", "line 2 closes"),
        (",2026-12-25,X,13:00,", "line 2 zone"),
        (",2026-12-25,X,13:00,Mars/Base", "line 2 zone"),
        (",2026-12-25,X,13:00,../../etc/passwd", "line 2 zone"),
        (",2026-12-25,X,13:00,localtime", "line 2 zone"),
    ],
)
def test_a_wrong_holiday_is_named(db: None, line: str, path: str) -> None:
    with pytest.raises(CalendarError) as caught:
        read_holidays_csv("server,day,name,closes,zone\n" + line + "\n")
    assert path in [found for found, _ in caught.value.errors]


@given(st.text(max_size=200) | st.text(max_size=100).map(lambda text: HEAD + text))
def test_no_text_makes_a_defect(text: str) -> None:
    with contextlib.suppress(CalendarError):
        assert read_news_csv(text)
