"""Figures and times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from accounts.templatetags import formats

AT = datetime(2026, 11, 20, 6, 41, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minor", "digits", "text", "signed"),
    [
        (0, 2, "0.00", "0.00"),
        (5, 2, "0.05", "+0.05"),
        (-5, 2, "\u22120.05", "\u22120.05"),
        (123456789, 2, "1,234,567.89", "+1,234,567.89"),
        (-123456, 2, "\u22121,234.56", "\u22121,234.56"),
        (1500, 0, "1,500", "+1,500"),
        (1234567, 3, "1,234.567", "+1,234.567"),
        (None, 2, "—", "—"),
    ],
)
def test_money(minor: int | None, digits: int, text: str, signed: str) -> None:
    assert formats.money(minor, digits) == text
    assert formats.signed(minor, digits) == signed


@given(st.integers(-(10**15), 10**15), st.integers(0, 4))
def test_money_reads_back_as_the_same_figure(minor: int, digits: int) -> None:
    text = formats.money(minor, digits).replace("\u2212", "-").replace(",", "")
    assert Decimal(text) == Decimal(minor).scaleb(-digits)


@given(st.integers(-(10**7), 10**7), st.integers(0, 2))
def test_percent_is_rounded_half_away_from_zero(used: int, decimals: int) -> None:
    text = formats.percent4(used, decimals).replace("\u2212", "-").removesuffix("%")
    exact = (Decimal(used) / 100).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    assert Decimal(text) == exact


def test_times() -> None:
    assert formats.utc(AT) == "2026-11-20 06:41:00 UTC"
    assert formats.utc(AT.astimezone(timezone(timedelta(hours=5))), seconds=False) == "2026-11-20 06:41 UTC"
    assert formats.iso(AT) == "2026-11-20T06:41:00.123Z"
    assert formats.zoned(AT, "Europe/Prague") == "07:41 CET"
    assert formats.zoned(AT.replace(month=7), "Europe/Prague", seconds=True) == "08:41:00 CEST"
    assert formats.utc_ms(int(AT.timestamp() * 1000)) == "2026-11-20 06:41:00 UTC"
    assert {formats.utc(None), formats.utc_ms(None), formats.zoned(None, "UTC")} == {"—"}


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        *((None, "—"), (-40, "0.0 s"), (440, "0.4 s"), (9940, "9.9 s"), (9960, "9 s")),
        *((61_000, "61 s"), (180_000, "3 min"), (7_200_000, "2 h"), (172_800_000, "2 d")),
    ],
)
def test_age(milliseconds: int | None, text: str) -> None:
    assert formats.age(milliseconds) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(None, "—"), (-1, "00:00:00"), (11_564_999, "03:12:44"), (100 * 3_600_000, "100:00:00")]
)
def test_countdown(milliseconds: int | None, text: str) -> None:
    assert formats.countdown(milliseconds) == text


def test_pages_use_the_same_figures() -> None:
    page = Template(
        "{% load riskdesk_format %}{{ m|money:2 }} {{ m|signed }} {{ u|percent4 }}"
        " {{ t|utc }} {{ t|zoned }} {{ v|words }}"
    )
    shown = page.render(Context({"m": 123456, "u": 8765, "t": AT, "v": "access_refused"}))
    assert shown == "1,234.56 +1,234.56 87.7% 2026-11-20 06:41:00 UTC 07:41 CET access refused"
