"""What the alert rail of the desk shows; the same template serves the first paint, every push and an answer."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When

from alerts.models import Alert, AlertState
from alerts.routes import AlertKind, percent, rule_words
from monitoring import replica

SHOWN = 40
RANK = Case(
    When(kind=AlertKind.BREACH.value, then=Value(4)),
    When(severity="critical", then=Value(3)),
    When(severity="warning", then=Value(2)),
    default=Value(1),
    output_field=IntegerField(),
)  # the figures of data-sev in the desk's style sheets
WORDS = {4: "Breached", 3: "Critical", 2: "Warning", 1: "Info"}


def ranked(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """With `sev` (1 to 4) and what a row shows of its account."""
    return alerts.annotate(sev=RANK).select_related("account__server", "account__trader", "acked_by")


def rail() -> dict[str, Any]:
    """The context: open alerts, unacknowledged before acknowledged, the gravest and newest first."""
    open_alerts = Alert.objects.filter(state__in=[AlertState.FIRING, AlertState.ACKNOWLEDGED])
    rows = list(
        ranked(open_alerts).order_by("-state", RANK.desc(), "-first_fired_at")[: SHOWN + 1]
    )  # "firing" > "ack…"
    return {
        "alerts": [row_of(alert) for alert in rows[:SHOWN]],
        **count(),
        "more": max(0, open_alerts.count() - SHOWN) if len(rows) > SHOWN else 0,
    }


def count() -> dict[str, int]:
    """The context of the badge in the navigation: alerts that nobody has taken up."""
    return {"unacknowledged": Alert.objects.filter(state=AlertState.FIRING).count()}


def row_of(alert: Alert) -> dict[str, Any]:
    """One alert, its figures as text."""
    sev = getattr(alert, "sev", 1)
    return {
        "alert": alert,
        "sev": sev,
        "word": WORDS[sev],
        "rule": rule_words(alert.rule),
        "used": percent(alert.used),
    }


def pushed_rail() -> dict[str, Any]:
    """As `rail`, in a web process: also tells its replica which breaches need not stay on top any more."""
    replica.get().settle(settled_accounts())
    return rail()


def settled_accounts() -> list[str]:
    """Accounts in a running challenge with a breach that somebody took up, and none that nobody has."""
    breaches = Alert.objects.filter(kind=AlertKind.BREACH.value, challenge__ended_at=None)
    firing = breaches.filter(state=AlertState.FIRING).values("account_id")
    taken = breaches.exclude(state=AlertState.FIRING).exclude(account_id__in=firing)
    return list(taken.values_list("account__public_id", flat=True).distinct())
