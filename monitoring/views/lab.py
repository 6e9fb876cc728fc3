"""The rule lab: its runs, a new one, one run with its progress and its result."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import redis
import structlog
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from kombu.exceptions import OperationalError

from accounts.models import Account, User
from accounts.permissions import access_lab, access_run_lab, gate, may_run_lab
from accounts.views import lists
from accounts.views.exports import csv_refusal, csv_response
from monitoring.charts import chart_page
from monitoring.lab import runs, table
from monitoring.lab.figure import breaches_figure, breaches_summary
from monitoring.models import LabRun, LabState
from monitoring.objectives.words import TITLES
from monitoring.tasks import run_lab_job
from monitoring.views.lab_form import LabFilterForm, LabForm, ResultFilterForm

log = structlog.get_logger(__name__)
PER_PAGE = 50
HEADINGS = {"created_at": "Asked (UTC)", "author": "Who", "label_a": "A", "label_b": "B", "state": "State"}
ORDER = {"author": "author__username"}
HEAD = ("id", "asked", "who", "frames", "a", "b", "state", "progress", "started", "finished", "error")


@require_safe
@gate(access_lab)
def lab(request: HttpRequest) -> HttpResponseBase:
    """The runs: the page, its list alone for htmx, or all that match as CSV."""
    form = LabFilterForm(request.GET)
    sort = form.sort_or("-created_at")
    name = sort.removeprefix("-")
    column = ORDER.get(name, name)
    found = _matching(form).order_by(f"-{column}" if sort.startswith("-") else column, "-created_at", "pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response("riskdesk-lab.csv", HEAD, map(_cells, found.iterator(chunk_size=500)))
    context = {
        "form": form,
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": lists.headings(request, HEADINGS, sort),
        "query": lists.query(request),
        "kept": settings.RISKDESK_LAB_DAYS,
        "may_run": may_run_lab(request.user),
    }
    return lists.render_list(request, "monitoring/lab.html", "monitoring/_lab_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_run_lab)
def new(request: HttpRequest) -> HttpResponse:
    """The form; a sound one starts a run and goes to it."""
    days = runs.recordings()
    assert isinstance(request.user, User)
    if request.method != "POST":
        newest = days[-1] if days else None
        initial = {"shard": newest.shard, "first_day": newest.day, "last_day": newest.day} if newest else {}
        return render(request, "monitoring/lab_new.html", {"form": LabForm(initial=initial, days=days), "days": days})
    form = LabForm(request.POST, request.FILES, days=days)
    if not form.is_valid():
        return render(request, "monitoring/lab_new.html", {"form": form, "days": days}, status=422)
    asked, upload = form.cleaned_data, form.cleaned_data["source"] == "upload"
    try:
        run = runs.ask(
            request.user,
            labels=(form.labels["a"], form.labels["b"]),
            documents=(form.documents["a"], form.documents["b"]),
            shard="" if upload else asked["shard"],
            days=None if upload else (asked["first_day"], asked["last_day"]),
            upload=asked["upload"] if upload else None,
            start=start,
        )
    except runs.LabError as error:  # the disk is full, say
        form.add_error("upload", str(error))
        return render(request, "monitoring/lab_new.html", {"form": form, "days": days}, status=507)
    return redirect("lab-run", run_id=run.pk)


def start(run_id: str) -> None:
    """Hint at a run; a lost hint is given again by the sweep."""
    try:
        run_lab_job.apply_async(args=(run_id,), retry=False)
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("lab_hint_failed", run=run_id, error=str(error))


@require_safe
@gate(access_lab)
@chart_page
def run(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """One run: how far it is, or who fared how under which rules; `?format=csv|json` is the whole result."""
    found = _run(run_id)
    context: dict[str, Any] = {"run": found, "source": runs.source_words(found), "may_run": may_run_lab(request.user)}
    if found.state != LabState.DONE or found.result is None:
        return render(request, "monitoring/lab_run.html", context)
    form = ResultFilterForm(request.GET)
    rows = _rows(found.result["accounts"], form)
    if request.GET.get("format"):
        return csv_refusal(form) if not form.is_valid() else _download(found, rows, request.GET["format"])
    sort = form.sort_or("account")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    names = [row["account"] for row in page]
    shown = [row | {side: _side(row[side]) for side in "ab"} for row in page]
    context |= {
        "form": form,
        "page": page,
        "sort": sort,
        "headings": lists.headings(request, table.COLUMNS, sort),
        "query": lists.query(request),
        "known": set(Account.objects.filter(public_id__in=names).values_list("public_id", flat=True)),
        "rows": shown,
        "result": found.result,
        "flaws": "; ".join(table.flaws(found.result)),
        "totals": [
            (word, found.result["totals"]["a"][name], found.result["totals"]["b"][name])
            for name, word in TOTALS.items()
        ],
    }
    return lists.render_list(request, "monitoring/lab_run.html", "monitoring/_lab_result.html", context)


TOTALS = {
    "warned": "Warned at least once",
    "violated": "Violated a rule",
    "breached": "Breached",
    "failed": "Failed at the end",
    "target": "Reached the target",
}


@require_safe
@gate(access_lab)
def progress(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """How far a run is, asked once a second by the page; when it is over the page is loaded anew."""
    found = _run(run_id, "result", "document_a", "document_b")
    if found.state not in runs.WAITING:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    context = {"run": found, "may_run": may_run_lab(request.user)}
    return render(request, "monitoring/_lab_progress.html", context)


@require_safe
@gate(access_lab)
def chart(request: HttpRequest, run_id: UUID) -> JsonResponse:
    """The chart of a finished run as Plotly's JSON."""
    found = _run(run_id)
    if found.result is None:
        return JsonResponse({"error": "The run has no result."}, status=404)
    labels = (f"A: {found.label_a}", f"B: {found.label_b}")
    figure = breaches_figure(found.result, labels)
    return JsonResponse({"figure": figure, "summary": breaches_summary(found.result, labels)})


@require_POST
@gate(access_run_lab)
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop a run."""
    assert isinstance(request.user, User)
    try:
        runs.cancel(run_id, request.user)
        messages.success(request, "The run is being cancelled.")
    except LabRun.DoesNotExist:
        raise Http404("There is no such run.") from None
    except runs.LabError as error:
        messages.error(request, str(error))
    return redirect("lab-run", run_id=run_id)


def _run(run_id: UUID, *left_out: str) -> LabRun:
    return get_object_or_404(LabRun.objects.select_related("author").defer(*left_out), pk=run_id)


def _rows(rows: list[table.Row], form: ResultFilterForm) -> list[table.Row]:
    """The accounts that a valid form asks for, in its order; a wrong one finds none."""
    if not form.is_valid():
        return []
    asked = form.cleaned_data
    found = table.matching(rows, account=asked["account"], show=asked["show"], rule=asked["rule"])
    return table.ordered(found, form.sort_or("account"))


def _side(side: dict[str, Any]) -> dict[str, Any]:
    """One side of a row in the words of the page."""
    breach = side["breach"]
    return side | {
        "room": table.amount(side["room"]),
        "room_rule": TITLES.get(side["room_rule"], ""),
        "state": table.STATES[side["state"]],
        "breach": breach and breach | {"rule": TITLES.get(breach["rule"], breach["rule"])},
        "events": [(at, kind, TITLES.get(rule, rule)) for at, kind, rule in side["events"]],
    }


def _download(found: LabRun, rows: list[table.Row], kind: str) -> HttpResponseBase:
    name = f"riskdesk-lab-{str(found.pk)[:8]}.{kind}"
    if kind == "csv":
        return csv_response(name, table.HEAD, table.csv_rows(rows))
    content = {
        "a": {"label": found.label_a, "document": found.document_a or None},
        "b": {"label": found.label_b, "document": found.document_b or None},
        "frames": runs.source_words(found),
        **(found.result or {}),
        "accounts": rows,
    }
    return JsonResponse(content, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _matching(form: LabFilterForm) -> QuerySet[LabRun]:
    """The runs that a valid form asks for."""
    if not form.is_valid():
        return LabRun.objects.none()
    found, asked = (
        LabRun.objects.select_related("author").defer("result", "document_a", "document_b"),
        form.cleaned_data,
    )
    if asked["state"]:
        found = found.filter(state=asked["state"])
    if word := asked["text"].strip():
        found = found.filter(
            Q(label_a__icontains=word)
            | Q(label_b__icontains=word)
            | Q(shard__icontains=word)
            | Q(upload_name__icontains=word)
            | Q(author__username__icontains=word)
        )
    return found


def _cells(found: LabRun) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    times = (found.started_at, found.finished_at)
    return (
        str(found.pk), found.created_at.isoformat(timespec="seconds"), found.author.username, runs.source_words(found),
        found.label_a, found.label_b, found.state, str(found.progress),
        *("" if at is None else at.isoformat(timespec="seconds") for at in times), found.error,
    )  # fmt: skip
