"""The list of plans: filter, sort, export."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import Phase, Plan, RuleSet
from accounts.permissions import access_plans, gate, may_change_plans
from accounts.plan_forms import PlanFilterForm
from accounts.views.exports import csv_refusal, csv_response
from accounts.views.plans.shown import by_whom, desk_link, judged

PER_PAGE = 50
HEAD = ("plan", "name", "state", "phase", "phase name", "version", "newest", "published", "by", "running", "ended")
TITLES = {"plan": "Plan", "phase": "Phase", "version": "Newest", "running": "Challenges running", "changed": "Since"}
START = datetime.min


@dataclass(frozen=True, slots=True)
class Version:
    """One version with how many it judges."""

    number: int
    running: int
    ended: int
    rule_set: RuleSet


@dataclass(frozen=True, slots=True)
class Row:
    """One phase of a plan; `phase` None: the plan has none yet."""

    plan: Plan
    phase: Phase | None
    versions: tuple[Version, ...]  # newest first
    desk: str = ""
    drafted: bool = False

    @property
    def newest(self) -> Version | None:
        """What a new challenge gets."""
        return self.versions[0] if self.versions else None

    @property
    def running(self) -> int:
        """Challenges that run under any of its versions."""
        return sum(one.running for one in self.versions)

    @property
    def judging(self) -> list[Version]:
        """The versions that judge a running challenge."""
        return [one for one in self.versions if one.running]


@require_safe
@gate(access_plans)
def catalogue(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    form = PlanFilterForm(request.GET)
    sort = form.sort_or("plan")
    rows = _sorted(_matching(form), sort)
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response("riskdesk-plans.csv", HEAD, (line for row in rows for line in _lines(row)))
    context = {
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": headings(request, PlanFilterForm.columns, TITLES, sort),
        "query": query_of(request, without=("page", "format")),
        "may_change": may_change_plans(request.user),
        "any_plan": Plan.objects.exists(),
    }
    name = "accounts/plans/_catalogue.html" if partial(request) else "accounts/plans/catalogue.html"
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def partial(request: HttpRequest) -> bool:
    """Whether htmx asks for the list alone; going back in the history asks for the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def headings(request: HttpRequest, columns: Iterable[str], titles: dict[str, str], sort: str) -> list[dict[str, str]]:
    """Each column with the link that sorts by it, the other way round where it is sorted by already."""
    return [
        {
            "name": name,
            "title": titles[name],
            "query": query_of(request, without=("page", "format", "sort"), sort=f"-{name}" if sort == name else name),
            "aria": "ascending" if sort == name else "descending" if sort == f"-{name}" else "none",
        }
        for name in columns
    ]


def query_of(request: HttpRequest, without: Iterable[str], **extra: str) -> str:
    """The address's query with these taken out and those put in."""
    query = request.GET.copy()
    for name in without:
        query.pop(name, None)
    query.update(extra)
    return query.urlencode()


def _matching(form: PlanFilterForm) -> list[Row]:
    if not form.is_valid():
        return []
    asked, found = form.cleaned_data, Plan.objects.order_by("name", "slug")
    if asked["state"] != "all":
        found = found.filter(archived_at__isnull=asked["state"] != "archived")
    rows = _rows(list(found))
    words = asked["q"].lower().replace("\0", "").split()
    return [row for row in rows if all(word in _text(row) for word in words)]


def _rows(found: list[Plan]) -> list[Row]:
    phases = list(Phase.objects.filter(plan__in=found).select_related("plan", "draft").order_by("plan_id", "order"))
    counts = judged(phases)
    versions: dict[int, list[Version]] = {}
    for one in RuleSet.objects.filter(phase__in=phases).select_related("author").order_by("-version"):
        count = counts.get(one.pk)
        version = Version(one.version, count.running if count else 0, count.ended if count else 0, one)
        versions.setdefault(one.phase_id, []).append(version)
    by_plan: dict[int, list[Phase]] = {}
    for phase in phases:
        by_plan.setdefault(phase.plan_id, []).append(phase)
    return [
        Row(plan, phase, tuple(versions.get(phase.pk, ())), desk_link(phase), hasattr(phase, "draft"))
        if phase
        else Row(plan, None, ())
        for plan in found
        for phase in by_plan.get(plan.pk, [None])  # a plan without phases is a row too
    ]


def _sorted(rows: list[Row], sort: str) -> list[Row]:
    keys: dict[str, Any] = {
        "plan": lambda row: (row.plan.name.lower(), row.plan.slug, row.phase.order if row.phase else 0),
        "phase": lambda row: (row.phase.name.lower() if row.phase else "", row.plan.name.lower()),
        "version": lambda row: row.newest.number if row.newest else 0,
        "running": lambda row: row.running,
        "changed": lambda row: row.newest.rule_set.created_at.timestamp() if row.newest else 0.0,
    }
    return sorted(rows, key=keys[sort.removeprefix("-")], reverse=sort.startswith("-"))


def _text(row: Row) -> str:
    phase = f"{row.phase.name} {row.phase.slug}" if row.phase else ""
    return f"{row.plan.name} {row.plan.slug} {row.plan.preset} {phase}".lower()


def _lines(row: Row) -> Iterable[tuple[str, ...]]:
    """A line of the export for each version, in the order of its head."""
    state = "archived" if row.plan.archived_at else "sold"
    head = (
        row.plan.slug,
        row.plan.name,
        state,
        row.phase.slug if row.phase else "",
        row.phase.name if row.phase else "",
    )
    if not row.versions:
        yield (*head, "", "", "", "", "0", "0")
    for one in row.versions:
        newest = "yes" if one is row.newest else "no"
        at, by = one.rule_set.created_at.isoformat(timespec="seconds"), by_whom(one.rule_set.author)
        yield (*head, str(one.number), newest, at, by, str(one.running), str(one.ended))
