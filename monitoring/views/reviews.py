"""The review queue: flagged violations, filtered, sorted, exported, decided one by one or many at once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.forms import ListForm
from accounts.models import User
from accounts.permissions import access_acknowledge, access_alerts, gate, may_acknowledge
from accounts.views import lists
from accounts.views.exports import csv_refusal, csv_response
from monitoring import flags
from monitoring.models import FlagDecision, RiskEvent
from monitoring.objectives.words import TITLES
from monitoring.views.timeline import positions_of

PER_PAGE = 50
COLUMNS = {"at": "Time (UTC)", "login": "Account", "rule": "Rule"}
ORDER = {"at": "at", "login": "account__login", "rule": "rule"}
HEAD = (
    "at", "account", "login", "server", "plan", "phase", "version", "rule", "reason",
    "positions", "calendar_revision", "mode", "decision", "decision_reason", "decided_by", "decided_at",
)  # fmt: skip


class ReviewFilterForm(ListForm):
    """Which violations to list; what waits comes first."""

    columns: ClassVar[tuple[str, ...]] = tuple(COLUMNS)

    state = forms.ChoiceField(
        required=False,
        choices=[("", "Waiting"), ("all", "All"), *FlagDecision.choices],
        error_messages={"invalid_choice": "There is no state “%(value)s”."},
    )
    rule = forms.ChoiceField(
        required=False,
        choices=[("", "Any rule"), *TITLES.items()],
        error_messages={"invalid_choice": "There is no rule “%(value)s”."},
    )
    account = forms.CharField(required=False, max_length=160, label="Account or trader")
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))


class DecisionForm(forms.Form):
    """What is decided about the chosen violations."""

    event = forms.TypedMultipleChoiceField(coerce=UUID, error_messages={"required": "Choose at least one violation."})
    decision = forms.ChoiceField(choices=FlagDecision.choices)
    reason = forms.CharField(
        max_length=500, error_messages={"required": "Say why: the reason is part of the decision."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        asked = self.data.getlist("event") if hasattr(self.data, "getlist") else []
        self.fields["event"].choices = [(one, one) for one in asked if _is_id(one)]  # type: ignore[attr-defined]


@require_GET
@gate(access_alerts)
def reviews(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    form = ReviewFilterForm(request.GET)
    sort = form.sort_or("-at")
    column = ORDER[sort.removeprefix("-")]
    matching = _matching(form).order_by(f"-{column}" if sort.startswith("-") else column, "-at", "pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response("riskdesk-reviews.csv", HEAD, map(_cells, matching.iterator(chunk_size=500)))
    context = {
        "form": form,
        "page": Paginator(matching, PER_PAGE).get_page(request.GET.get("page")),
        "sort": sort,
        "headings": lists.headings(request, COLUMNS, sort),
        "query": lists.query(request),
        "may_decide": may_acknowledge(request.user),
        "decisions": FlagDecision.choices,
        "titles": TITLES,
    }
    return lists.render_list(request, "monitoring/reviews.html", "monitoring/_reviews.html", context)


@require_POST
@gate(access_acknowledge)
def decide(request: HttpRequest) -> HttpResponse:
    """Uphold or dismiss the chosen violations; a reason is needed and audited."""
    form = DecisionForm(request.POST)
    assert isinstance(request.user, User)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, f"Nothing was decided. {' '.join(str(error) for error in errors)}")
    else:
        asked = form.cleaned_data
        try:
            done = flags.decide(asked["event"], asked["decision"], request.user, asked["reason"], timezone.now())
            messages.success(request, f"{done} violation{'' if done == 1 else 's'} {asked['decision']}.")
        except flags.FlagError as error:
            messages.error(request, f"Nothing was decided. {error}")
    query = request.POST.get("query", "")
    return redirect(f"{request.path.removesuffix('decide/')}{'?' + query if query else ''}")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _matching(form: ReviewFilterForm) -> QuerySet[RiskEvent]:
    """The violations that a valid form asks for; a wrong one finds none, and its errors are on the page."""
    if not form.is_valid():
        return RiskEvent.objects.none()
    asked, found = form.cleaned_data, flags.flagged()
    if not asked["state"]:
        found = found.filter(review=None)
    elif asked["state"] != "all":
        found = found.filter(review__decision=asked["state"])
    if asked["rule"]:
        found = found.filter(rule=asked["rule"])
    if word := asked["account"].strip():
        found = found.filter(
            Q(account__login__icontains=word)
            | Q(account__public_id__iexact=word)
            | Q(account__holder__icontains=word)
            | Q(account__trader__username__icontains=word)
        )
    if asked["since"]:
        found = found.filter(at__gte=datetime.combine(asked["since"], time(), UTC))
    if asked["until"]:
        found = found.filter(at__lt=datetime.combine(asked["until"] + timedelta(days=1), time(), UTC))
    return found


def _cells(event: RiskEvent) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    account, challenge = event.account, event.challenge
    phase = challenge.rule_set.phase if challenge else None
    review = getattr(event, "review", None)
    decided = (review.decision, review.reason, str(review.author), review.at.isoformat()) if review else ("",) * 4
    return (
        event.at.isoformat(timespec="milliseconds"),
        account.public_id if account else "", account.login if account else "", account.server.name if account else "",
        phase.plan.name if phase else "", phase.name if phase else "", str(event.rule_set_version or ""),
        event.rule, event.reason, " ".join(positions_of(event)), str(event.detail.get("calendar_revision", "")),
        event.mode, *decided,
    )  # fmt: skip
