"""When an announcement matters: the widest news window of the rules that judge somebody now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.models import NewsAnnouncement, RuleOverride, RuleSet


@dataclass(frozen=True, slots=True)
class Widest:
    """Minutes before and after, and the impacts that any rule asks about; both 0: no rule does."""

    before: int
    after: int
    impacts: frozenset[str]

    def around(self, one: NewsAnnouncement) -> tuple[datetime, datetime] | None:
        """The window of an announcement, None when no rule is about its impact."""
        if one.impact not in self.impacts:
            return None
        return one.at - timedelta(minutes=self.before), one.at + timedelta(minutes=self.after)

    def state(self, one: NewsAnnouncement, now: datetime) -> str:
        """live, over, or coming."""
        window = self.around(one) or (one.at, one.at)
        return "coming" if now < window[0] else "live" if now <= window[1] else "over"


def widest(now: datetime) -> Widest:
    """The widest window of the rule sets with running challenges, and of what sets accounts apart from them."""
    documents = RuleSet.objects.filter(challenges__ended_at=None, challenges__isnull=False).distinct()
    rules = [
        rule
        for document in documents.values_list("document", flat=True)
        for rule in document.get("rules", [])
        if rule.get("rule") == "news_window"
    ]
    apart = RuleOverride.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now), rule="news_window", ended_at=None, challenge__ended_at=None
    )
    alike = apart.order_by().values_list("replacement", flat=True).distinct()
    rules += [rule for rule in alike if rule is not None]
    return Widest(
        before=max((int(rule["before_minutes"]) for rule in rules), default=0),
        after=max((int(rule["after_minutes"]) for rule in rules), default=0),
        impacts=frozenset(word for rule in rules for word in rule.get("impact") or ["high"]),
    )
