"""Who would be warned or breached if running challenges were judged by another version now: page, fragment, file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from json import dumps
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import plans
from accounts.models import Challenge, Phase, RuleSet
from accounts.permissions import access_change_plans, gate
from accounts.plan_forms import PreviewFilterForm
from accounts.templatetags import formats
from accounts.views.exports import csv_refusal, csv_response
from monitoring.engine.money import to_decimal
from monitoring.engine.ruleset import RuleSetError
from monitoring.whatif import PORTION, Effect, Sweep, SweepUnavailable, Verdict, effects_of_version, sweep

PER_PAGE = 100
_OLD = timedelta(seconds=30)  # a preview that was finished before is shown again for so long: it tells of now
_LISTING = {"part", "page", "show", "q", "sort"}  # what only looks at it
WORDS = {
    Verdict.BREACH: "Would be in breach",
    Verdict.VIOLATE: "Would break a rule",
    Verdict.WARN: "Would be warned",
    Verdict.EASE: "Warning would end",
    Verdict.UNKNOWN: "Unknown",
    Verdict.SAME: "No change",
}
SEVERITY = {Verdict.BREACH: 4, Verdict.VIOLATE: 2, Verdict.WARN: 2}
ORDER = {verdict: number for number, verdict in enumerate(Verdict)}
STATES = {
    "ok": "Within its limits",
    "warned": "Warned",
    "breached": "Breached",
    "paused": "Paused",
    "unknown": "Unknown",
}
TITLES = {
    "account": "Account", "trader": "Trader", "version": "Judged by", "before": "Now", "after": "Then",
    "verdict": "What would happen",
}  # fmt: skip
HEAD = (
    "account", "login", "trader", "server", "version", "outcome", "consequence", "now", "used now", "then", "used then",
    "room then", "initial balance", "equity", "currency", "as of", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """Which challenges, under which version; `query` says so in an address."""

    phase: Phase
    target: RuleSet  # unsaved, for a draft
    versions: tuple[int, ...]  # empty: every version
    accounts: tuple[str, ...]  # logins or public ids; empty: every account
    query: str

    @property
    def challenges(self) -> QuerySet[Challenge]:
        """Those that run and are not judged by that version already."""
        found = Challenge.objects.filter(ended_at=None, rule_set__phase=self.phase).select_related(
            "account", "rule_set"
        )
        if self.target.pk is not None:
            found = found.exclude(rule_set=self.target)
        if self.versions:
            found = found.filter(rule_set__version__in=self.versions)
        if self.accounts:
            found = found.filter(Q(account__login__in=self.accounts) | Q(account__public_id__in=self.accounts))
        return found

    def key(self, request: HttpRequest) -> str:
        """What the computed preview is kept under: exactly this question of this user."""
        text = dumps([request.user.pk, self.phase.pk, self.target.version, self.target.document, self.query])
        return sha256(text.encode()).hexdigest()[:32]


@require_safe
@never_cache
@gate(access_change_plans)
def preview(request: HttpRequest, slug: str, phase: str) -> HttpResponseBase:
    """The whole page; htmx gets the fragment, one portion further; `?part=list` its list; `?format=csv` everything."""
    asked = asked_of(request, slug, phase)
    form = PreviewFilterForm(request.GET)
    if request.GET.get("format") == "csv":
        return _export(form, asked)
    partial = request.headers.get("HX-Request") == "true"
    context = {**context_of(request, asked, form, whole=not partial), "phase": asked.phase, "plan": asked.phase.plan}
    name = "_preview_list.html" if partial and request.GET.get("part") == "list" else "_preview.html"
    return render(request, f"monitoring/plans/{name if partial else 'preview.html'}", context)


def asked_of(request: HttpRequest, slug: str, phase: str) -> Asked:
    """The question in the address; Http404 for a phase, a version or a draft that is not there."""
    values = request.POST if request.method == "POST" else request.GET
    found = Phase.objects.select_related("plan", "draft").filter(plan__slug=slug, slug=phase).first()
    if found is None:
        raise Http404(f"There is no phase {phase} of a plan {slug}.")
    wanted = values.get("target", "")
    versions = tuple(sorted({int(one) for one in values.getlist("from") if one.isdecimal() and len(one) < 9}))
    words = values.get("accounts", "").replace("\0", "").replace(",", " ").split()
    accounts = tuple(sorted(set(words)))
    query = urlencode([("target", wanted), *(("from", one) for one in versions)])
    query += f"&{urlencode({'accounts': ' '.join(accounts)})}" if accounts else ""
    return Asked(found, _target(found, wanted), versions, accounts, query)


def context_of(request: HttpRequest, asked: Asked, form: PreviewFilterForm, *, whole: bool) -> dict[str, Any]:
    """What the fragment shows; `whole`: nothing is left to compute when it is shown (there is no JavaScript)."""
    unavailable, found = "", Sweep(total=0, began=datetime.now(UTC), counts={})
    try:
        # Filtering and turning pages begin nothing and compute no further portion than one.
        found = sweep(asked.key(request), asked.challenges, asked.target, anew=request.GET.get("again") == "1")
        if found.ended and datetime.now(UTC) - found.ended > _OLD and not _LISTING & request.GET.keys():
            found = sweep(asked.key(request), asked.challenges, asked.target, anew=True)
        while whole and not found.finished:
            found = sweep(asked.key(request), asked.challenges, asked.target)
    except SweepUnavailable as error:
        unavailable = str(error)
    except RuleSetError as error:
        unavailable = f"The rules cannot judge anybody: {error}"
    sort = form.sort_or("verdict")
    rows = _sorted(_matching(form, found.rows), sort)
    return {
        "asked": asked,
        "sweep": found,
        "unavailable": unavailable,
        "strip": [(verdict.value, WORDS[verdict], found.count(verdict), SEVERITY.get(verdict, 0)) for verdict in WORDS],
        "breaches": found.count(Verdict.BREACH),
        "stake": _stake(found.rows),
        "filter_form": form,
        "sort": sort,
        "columns": _columns(asked, form, sort),
        "page": Paginator([shown(one) for one in rows], PER_PAGE).get_page(request.GET.get("page")),
        "list_query": _query(asked, form, sort),
        "live": bool(request.headers.get("HX-Request")),
    }


def _target(phase: Phase, wanted: str) -> RuleSet:
    """A version of the phase, or its draft as the version that it would become."""
    if wanted == "draft":
        draft = getattr(phase, "draft", None)
        if draft is None:
            raise Http404("There is no draft.")
        newest = plans.newest_rule_set(phase)
        return RuleSet(phase=phase, version=(newest.version if newest else 0) + 1, document=draft.document)
    found = phase.rule_sets.filter(version=int(wanted)).first() if wanted.isdecimal() and len(wanted) < 9 else None
    if found is None:
        raise Http404(f"There is no version {wanted[:40]!r} of {phase.name}.")
    return found


def _matching(form: PreviewFilterForm, rows: list[Effect]) -> list[Effect]:
    if not form.is_valid():
        return []
    show, words = form.cleaned_data["show"], form.cleaned_data["q"].lower().split()
    if show:
        rows = [one for one in rows if one.verdict == show]
    return [one for one in rows if all(word in f"{one.login} {one.account} {one.trader}".lower() for word in words)]


def _sorted(rows: list[Effect], sort: str) -> list[Effect]:
    keys: dict[str, Any] = {
        "account": lambda one: one.login,
        "trader": lambda one: one.trader.lower(),
        "version": lambda one: one.version,
        "before": lambda one: -(one.before.used or 0),
        "after": lambda one: -(one.after.used or 0),
        "verdict": lambda one: (ORDER[one.verdict], -(one.after.used or 0)),
    }
    return sorted(rows, key=lambda one: (keys[sort.lstrip("-")](one), one.login), reverse=sort.startswith("-"))


def shown(one: Effect) -> dict[str, Any]:
    """A row as text."""
    return {
        "one": one,
        "sev": SEVERITY.get(one.verdict, 0),
        "word": WORDS[one.verdict],
        "before": _side(one.before.state, one.before.used),
        "after": _side(one.after.state, one.after.used),
        "room": formats.money(one.after.room, one.digits),
        "equity": formats.money(one.equity, one.digits),
        "size": formats.money(one.size),
        "at": one.at,
    }


def _side(state: str, used: int | None) -> str:
    return f"{STATES.get(state, state)}, {formats.percent4(used)}" if state else formats.NOTHING


def _stake(rows: list[Effect]) -> str:
    """The initial balances of those that would be in breach, by currency."""
    sums: dict[str, int] = {}
    for one in rows:
        if one.verdict is Verdict.BREACH:
            sums[one.currency] = sums.get(one.currency, 0) + one.size
    return ", ".join(f"{formats.money(total)} {currency}" for currency, total in sorted(sums.items()))


def _columns(asked: Asked, form: PreviewFilterForm, sort: str) -> list[dict[str, str]]:
    return [
        {
            "title": TITLES[name],
            "query": _query(asked, form, f"-{name}" if sort == name else name),
            "aria": "ascending" if sort == name else "descending" if sort == f"-{name}" else "none",
        }
        for name in PreviewFilterForm.columns
    ]


def _query(asked: Asked, form: PreviewFilterForm, sort: str) -> str:
    """The address of the list as it is shown now, its page apart."""
    kept = {name: str(form.data.get(name, "")) for name in ("show", "q") if form.data.get(name)}
    return f"{asked.query}&{urlencode({**kept, 'sort': sort})}"


def _export(form: PreviewFilterForm, asked: Asked) -> HttpResponseBase:
    if not form.is_valid():
        return csv_refusal(form)
    name = f"preview-{asked.phase.plan.slug}-{asked.phase.slug}-v{asked.target.version}.csv"
    rows = (one for portion in portions(asked) for one in _matching(form, portion) if one.verdict is not Verdict.SAME)
    return csv_response(name, HEAD, (_cells(one) for one in rows))


def portions(asked: Asked) -> Iterator[list[Effect]]:
    """What would become of everybody asked for, computed now, a thousand at a time."""
    last = 0
    while True:
        found = list(asked.challenges.filter(pk__gt=last).order_by("pk")[:PORTION])
        if not found:
            return
        yield effects_of_version(found, asked.target, datetime.now(UTC))
        last = found[-1].pk


def _cells(one: Effect) -> tuple[str | Decimal, ...]:
    """A line of the export, in the order of its head."""

    def plain(minor: int | None) -> str | Decimal:
        return "" if minor is None else to_decimal(minor, one.digits)

    def used(value: int | None) -> str:
        return "" if value is None else f"{value / 10_000:.4f}"

    return (
        one.account, one.login, one.trader, one.server, str(one.version), one.verdict.value, one.consequence,
        one.before.state, used(one.before.used), one.after.state, used(one.after.used), plain(one.after.room),
        plain(one.size), plain(one.equity), one.currency, formats.iso(one.at), one.reason,
    )  # fmt: skip
