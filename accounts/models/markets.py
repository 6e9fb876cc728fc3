"""What the firm says of the markets: news calendar, holidays, names of symbols. Rows of the calendar never change."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models.trading import Server


class Impact(models.TextChoices):
    """How much an announcement moves."""

    HIGH = "high", "High"
    MEDIUM = "medium", "Medium"
    LOW = "low", "Low"


class CalendarRevision(models.Model):
    """One import or change of news or holidays; its number (the key) goes with every event that rests on it."""

    at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    source = models.CharField(max_length=200)  # a file's name, "API", "form"
    note = models.TextField(blank=True, default="")
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    withdrawn = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"r{self.pk}"


class CalendarRow(models.Model):
    """A row that holds from revision `since` on, and before `until`; None: it still holds."""

    since = models.ForeignKey(CalendarRevision, on_delete=models.PROTECT, related_name="+")
    until = models.ForeignKey(CalendarRevision, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class NewsAnnouncement(CalendarRow):
    """One announcement; `uid` is the importer's own id of it, the same through its revisions."""

    uid = models.CharField(max_length=100)
    at = models.DateTimeField(db_index=True)
    currency = models.CharField(max_length=8)
    impact = models.CharField(max_length=6, choices=Impact.choices)
    title = models.CharField(max_length=200)
    symbols = models.JSONField(default=list, blank=True)  # base names that the firm lists for it

    class Meta:
        ordering = ["at", "uid"]
        constraints = [
            models.UniqueConstraint(fields=["uid"], condition=models.Q(until=None), name="one_announcement_per_uid")
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.currency} {self.title}"


class MarketHoliday(CalendarRow):
    """A day on which a server's market (None: every server's) is closed, or closes at `closes` (local in `zone`)."""

    server = models.ForeignKey(Server, null=True, blank=True, on_delete=models.PROTECT, related_name="holidays")
    day = models.DateField(db_index=True)
    name = models.CharField(max_length=200)
    closes = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        ordering = ["day", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["server", "day"],
                condition=models.Q(until=None),
                name="one_holiday_per_day",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class SymbolName(models.Model):
    """What a server calls a symbol, and its base name; overrides the general normalisation."""

    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="symbol_names")
    raw = models.CharField(max_length=64)
    base = models.CharField(max_length=32)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["server", "raw"]
        constraints = [models.UniqueConstraint(fields=["server", "raw"], name="one_base_name_per_symbol")]

    def __str__(self) -> str:
        return f"{self.raw} = {self.base}"
