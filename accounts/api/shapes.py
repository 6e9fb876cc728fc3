"""What the API's bodies and answers look like; unknown keys are errors that name them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field

Limit = Annotated[int, Field(ge=1, le=500)]
Offset = Annotated[int, Field(ge=0, le=1_000_000)]
Name = Annotated[str, Field(min_length=1, max_length=160)]


class Asked(Schema):
    """A body from outside."""

    model_config = ConfigDict(extra="forbid")


class Complaint(Schema):
    """What is wrong, and where."""

    path: str
    message: str


class Problem(Schema):
    """Why a request was not done (RFC 9457), every complaint with the path of its field; warnings are only odd."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Complaint] = []
    warnings: list[Complaint] = []


class PhaseOut(Schema):
    """A phase with its newest version; `running`: challenges in it now, whatever their version."""

    slug: str
    name: str
    version: int
    running: int


class PlanOut(Schema):
    """A plan in the list; `warnings` only of one that was just imported."""

    slug: str
    name: str
    preset: str
    archived_at: datetime | None
    phases: list[PhaseOut]
    warnings: list[str] = []


class NewPlan(Asked):
    """A plan from a preset."""

    slug: str
    name: str
    preset: str


class NewVersion(Asked):
    """The next version of a phase's rule set; `base_version` refuses it when somebody was quicker."""

    document: dict[str, Any]
    reason: str
    base_version: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class VersionOut(Schema):
    """One version; `warnings` only of one that was just published."""

    version: int
    author: str | None
    reason: str
    created_at: datetime
    document: dict[str, Any]
    warnings: list[str] = []


class PresetOut(Schema):
    """A programme that a plan can be made from; read `warnings` first."""

    slug: str
    firm: str
    name: str
    summary: str
    verified: date
    sources: list[str]
    warnings: list[str]


class OverrideOut(Schema):
    """An override of one account."""

    id: int
    account: str
    rule: str
    ordinal: int
    replacement: dict[str, Any] | None
    reason: str
    author: str
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str
    holds: bool


class OverrideAsked(Asked):
    """`set` puts `replacement` in the place of the rule, `exempt` leaves the rule out, `end` goes back to the plan.

    `ordinal` counts the plan's rules of that name from 0; the number after the last adds a rule.
    """

    action: Literal["set", "exempt", "end"] = "set"
    accounts: Annotated[list[Name], Field(min_length=1, max_length=20_000)]
    rule: Annotated[str, Field(min_length=1, max_length=40)]
    ordinal: Annotated[int, Field(ge=0, le=100)] = 0
    replacement: dict[str, Any] | None = None
    reason: str
    ends_at: AwareDatetime | None = None


class RulebookOut(Schema):
    """What judges an account at an instant: the whole document, and what of it is an override."""

    account: str
    plan: str
    phase: str
    version: int
    at: datetime
    document: dict[str, Any]
    sentences: list[str]  # the rules in words, in the document's order
    overrides: list[OverrideOut]


class NewsOut(Schema):
    """An announcement of the calendar."""

    uid: str
    at: datetime
    currency: str
    impact: str
    title: str
    symbols: list[str]
    since_revision: int
    until_revision: int | None


class HolidayOut(Schema):
    """A holiday of one server's market, or of all (`server` null); `closes`: an early close, local in `zone`."""

    server: str | None
    day: date
    name: str
    closes: time | None
    zone: str
    since_revision: int
    until_revision: int | None


class RevisionOut(Schema):
    """One import; `revision` is null when it changes nothing, or was only tried."""

    revision: int | None
    at: datetime | None = None
    author: str | None = None
    source: str = ""
    note: str = ""
    added: int
    changed: int
    withdrawn: int


class SymbolOut(Schema):
    """A name of a server's table."""

    raw: str
    base: str
    author: str | None
    updated_at: datetime


class SymbolsAsked(Asked):
    """Base names by raw name; null takes a name out of the table."""

    names: Annotated[dict[str, str | None], Field(min_length=1, max_length=20_000)]


class SymbolsChanged(Schema):
    """What a call did to the table."""

    added: int
    changed: int
    removed: int
    unchanged: int


class NewsRows(Asked):
    """Announcements as JSON; the rows are read as strictly as a CSV's."""

    news: list[Any]
    source: str = "API"
    note: str = ""


class HolidayRows(Asked):
    """Holidays as JSON."""

    holidays: list[Any]
    source: str = "API"
    note: str = ""
