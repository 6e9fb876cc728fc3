"""One version of a phase's rule set, immutable: in words, as JSON, and who is judged by it."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from accounts.models import Challenge, RuleSet
from accounts.permissions import access_plans, gate, may_change_plans
from accounts.plan_forms import JudgedFilterForm, in_order, json_text
from accounts.views.exports import csv_refusal, csv_response
from accounts.views.plans.catalogue import headings, partial, query_of
from accounts.views.plans.shown import (
    by_whom,
    changes,
    desk_link,
    general_shown,
    judged,
    phase_of,
    rules_shown,
    sample_of,
)

PER_PAGE = 50
HEAD = ("account", "login", "trader", "server", "state", "initial balance", "currency", "started", "ended")
COLUMNS = {"account": "account__login", "trader": "account__holder", "state": "state", "started": "started_at"}
TITLES = {"account": "Account", "trader": "Trader", "state": "State", "started": "Started"}


@require_safe
@gate(access_plans)
def version(request: HttpRequest, slug: str, phase: str, number: int) -> HttpResponseBase:
    """The page; htmx gets the list of challenges alone; `?format=csv` the list, `?format=json` the document."""
    found = phase_of(slug, phase)
    rule_set = found.rule_sets.select_related("author").filter(version=number).first() if number < 2**31 else None
    if rule_set is None:
        raise Http404(f"There is no version {number} of {found.name}.")
    if request.GET.get("format") == "json":
        name = f"{slug}-{phase}-v{number}.json"
        response = JsonResponse(in_order(rule_set.document), json_dumps_params={"indent": 2, "ensure_ascii": False})
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    form = JudgedFilterForm(request.GET)
    sort = form.sort_or("account")
    rows = _matching(form, rule_set).order_by(("-" if sort.startswith("-") else "") + COLUMNS[sort.lstrip("-")], "pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response(f"{slug}-{phase}-v{number}.csv", HEAD, (_cells(one) for one in rows.iterator(1000)))
    context = {
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": headings(request, JudgedFilterForm.columns, TITLES, sort),
        "query": query_of(request, without=("page", "format")),
    }
    if partial(request):
        return _varied(render(request, "accounts/plans/_judged.html", context))
    before = found.rule_sets.filter(version__lt=number).order_by("-version").first()
    newest = found.rule_sets.order_by("-version").first()
    sample = sample_of(request, found)
    context |= {
        "phase": found,
        "plan": found.plan,
        "version": rule_set,
        "by": by_whom(rule_set.author),
        "general": general_shown(rule_set.document),
        "rules": rules_shown(rule_set.document, sample),
        "sample": sample,
        "before": before,
        "changes": changes(before.document, rule_set.document) if before else [],
        "newest": newest,
        "is_newest": newest == rule_set,
        "json": json_text(in_order(rule_set.document)),
        "judged": judged([found]).get(rule_set.pk),
        "elsewhere": Challenge.objects.filter(ended_at=None, rule_set__phase=found).exclude(rule_set=rule_set).count(),
        "desk": desk_link(found, number),
        "may_change": may_change_plans(request.user),
    }
    return _varied(render(request, "accounts/plans/version.html", context))


def _varied(response: HttpResponseBase) -> HttpResponseBase:
    patch_vary_headers(response, ["HX-Request"])
    return response


def _matching(form: JudgedFilterForm, rule_set: RuleSet) -> QuerySet[Challenge]:
    found = Challenge.objects.filter(rule_set=rule_set).select_related("account__server", "account__trader")
    if not form.is_valid():
        return found.none()
    asked = form.cleaned_data
    if asked["state"] != "all":
        found = found.filter(ended_at__isnull=asked["state"] != "ended")
    if words := asked["q"].replace("\0", ""):
        found = found.filter(
            Q(account__login__icontains=words) | Q(account__public_id__icontains=words)
            | Q(account__holder__icontains=words) | Q(account__trader__username__icontains=words)
        )  # fmt: skip
    return found


def _cells(one: Challenge) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    account = one.account
    started = one.started_at.isoformat(timespec="seconds")
    ended = one.ended_at.isoformat(timespec="seconds") if one.ended_at else ""
    trader = by_whom(account.trader) if account.trader else account.holder
    return (
        account.public_id, account.login, trader, account.server.name, one.state, f"{one.initial_balance:f}",
        account.currency, started, ended,
    )  # fmt: skip
