"""The filters of `{% load riskdesk_format %}`: figures and times as every page shows them."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.conf import settings

from accounts.templatetags import formats

register = template.Library()

register.filter("money", formats.money)
register.filter("signed", formats.signed)
register.filter("percent4", formats.percent4)
register.filter("utc", formats.utc)
register.filter("utc_ms", formats.utc_ms)
register.filter("iso", formats.iso)
register.filter("age", formats.age)
register.filter("countdown", formats.countdown)


@register.filter
def zoned(at: datetime | None, zone: str = "") -> str:
    """The time of day in a zone, the firm's when none is named."""
    return formats.zoned(at, zone or settings.RISKDESK_TIME_ZONE)


@register.filter
def words(name: object) -> str:
    """A machine's name as people read it: "access_refused" -> "access refused"."""
    return str(name).replace("_", " ")
