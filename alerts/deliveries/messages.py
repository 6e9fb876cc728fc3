"""What a delivery says: written from the alert's row when it is sent, so that it is never older than the desk."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from django.conf import settings

from alerts.models import Alert, Delivery
from alerts.routes import AlertKind, percent, rule_words
from alerts.transports.base import Message

GLYPHS = {"info": "●", "warning": "▲", "critical": "◆"}
BREACH_GLYPH = "■"
BREACHED_SINCE = "The account has breached since: the breach has its own message."
MAY_REPEAT = "This may repeat an earlier message: Slack gave no answer to it."


def compose(delivery: Delivery) -> Message:
    """The message of a delivery; needs its alert with account, server, trader and challenge."""
    alert = delivery.alert
    return Message(
        severity=alert.severity,
        glyph=glyph_of(alert),
        title=alert.title,
        text=alert.text,
        facts=_facts(alert),
        link=f"{settings.RISKDESK_PUBLIC_URL}{path_of(alert)}",
        at=alert.first_fired_at,
        note=" ".join(_notes(delivery)),
    )


def _notes(delivery: Delivery) -> Iterator[str]:
    """What the reader should know of a message that comes late or once more."""
    if delivery.resends_after_unknown:
        yield MAY_REPEAT
    alert = delivery.alert
    if alert.kind == AlertKind.WARNING and _breached_since(alert):
        yield BREACHED_SINCE


def _breached_since(warning: Alert) -> bool:
    breaches = Alert.objects.filter(kind=AlertKind.BREACH.value, account=warning.account, challenge=warning.challenge)
    return breaches.filter(first_fired_at__gte=warning.first_fired_at).exists()


def glyph_of(alert: Alert) -> str:
    """The sign of the alert's severity; a breach has its own."""
    return BREACH_GLYPH if alert.kind == AlertKind.BREACH else GLYPHS[alert.severity]


def path_of(alert: Alert) -> str:
    """The page that a message leads to: the account's, else the alert's."""
    if alert.account is None:
        return f"/alerts/{alert.pk}/"
    return f"/accounts/{quote(alert.account.public_id, safe='')}/"


def _facts(alert: Alert) -> tuple[tuple[str, str], ...]:
    facts = [("Rule", rule_words(alert.rule))]
    if alert.used is not None:  # most rules have no share
        facts.append(("Limit used", percent(alert.used)))
    if account := alert.account:
        trader = account.trader.get_full_name() or account.trader.username if account.trader else account.holder
        facts = [("Account", account.login), ("Server", account.server.name), ("Trader", trader or "—"), *facts]
    if challenge := alert.challenge:
        facts.append(("Plan", str(challenge.rule_set)))
    return tuple(facts)
