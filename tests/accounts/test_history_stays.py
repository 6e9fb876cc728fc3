"""What set an account apart and what the calendar said is proof: PostgreSQL lets nobody rewrite it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from accounts import calendar, overrides
from accounts.models import CalendarRevision, MarketHoliday, NewsAnnouncement, RuleOverride, User
from tests.accounts.book import a_challenge

NEWS = "uid,at,currency,impact,title\nnfp,2026-12-04T13:30:00Z,USD,high,Payrolls\n"
HOLIDAY = "server,day,name\n,2026-12-25,Christmas\n"


@pytest.fixture
def head(people: dict[str, User]) -> User:
    """Who made an override, and imported news and a holiday."""
    head = people["head_of_risk"]
    overrides.set_override(a_challenge().account, "max_positions", 0, {"positions": 3}, head, "r")
    calendar.import_news_csv(NEWS, head, "a file")
    calendar.import_holidays_csv(HOLIDAY, head, "a file")
    return head


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (RuleOverride, {"replacement": {"rule": "max_positions", "positions": 30}}),
        (RuleOverride, {"reason": "another"}),
        (RuleOverride, {"starts_at": "2026-01-01T00:00:00Z"}),
        (RuleOverride, {"ends_at": "2026-12-31T00:00:00Z"}),
        (NewsAnnouncement, {"at": "2026-12-04T14:30:00Z"}),
        (NewsAnnouncement, {"title": "Nothing"}),
        (MarketHoliday, {"day": "2026-12-26"}),
        (CalendarRevision, {"source": "another"}),
        (CalendarRevision, {"added": 0}),
    ],
)
def test_a_row_is_not_rewritten(head: User, table: type[Model], change: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="neither changed nor removed"), transaction.atomic():
        table._default_manager.update(**change)


@pytest.mark.parametrize("table", [RuleOverride, NewsAnnouncement, MarketHoliday])
def test_a_row_is_not_removed(head: User, table: type[Model]) -> None:
    with pytest.raises(IntegrityError, match="neither changed nor removed"), transaction.atomic():
        table._default_manager.all().delete()
    assert table._default_manager.exists()


def test_what_has_ended_has_ended_for_good(head: User) -> None:
    overrides.end_override(RuleOverride.objects.get(), head, "over")
    calendar.import_news_csv("uid,at,currency,impact,title,withdrawn\nnfp,,,,,yes\n", head, "a file")
    for change in ({"ended_at": None}, {"ended_at": timezone.now()}, {"end_reason": "another"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RuleOverride.objects.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        NewsAnnouncement.objects.update(until=None)
