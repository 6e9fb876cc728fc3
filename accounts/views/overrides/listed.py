"""Every override, filtered, sorted, exported; the chosen ones ended together."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from accounts import overrides as book
from accounts.forms import ListForm
from accounts.models import RuleOverride, User
from accounts.permissions import access_override, access_plans, gate, may_override
from accounts.plan_forms import RULES
from accounts.views import lists
from accounts.views.exports import csv_refusal, csv_response
from accounts.views.overrides.words import Words, words_of

PER_PAGE = 50
TITLES = {"starts_at": "Since (UTC)", "login": "Account", "rule": "Rule", "ends_at": "Until (UTC)"}
ORDER = {"starts_at": "starts_at", "login": "challenge__account__login", "rule": "rule", "ends_at": "ends_at"}
HEAD = (
    "account", "login", "server", "plan", "phase", "rule", "ordinal", "instead", "the plan says", "reason", "author",
    "since", "until", "ended at", "ended by", "end reason",
)  # fmt: skip


class OverrideFilterForm(ListForm):
    """Which overrides to list; left empty: those that hold now."""

    columns: ClassVar[tuple[str, ...]] = tuple(TITLES)

    q = forms.CharField(required=False, max_length=100, label="Account, trader or plan")
    rule = forms.ChoiceField(
        required=False,
        choices=[("", "Any rule"), *((name, title) for name, (title, _) in RULES.items())],
        error_messages={"invalid_choice": "There is no rule “%(value)s”."},
    )
    state = forms.ChoiceField(
        required=False,
        choices=[("", "In force"), ("ended", "Ended"), ("all", "All")],
        label="Show",
        error_messages={"invalid_choice": "There is no state “%(value)s”; there are: ended, all."},
    )


@require_GET
@gate(access_plans)
def overrides(request: HttpRequest) -> HttpResponseBase:
    """The page, its list alone for htmx, or everything that matches as CSV (`?format=csv`)."""
    form = OverrideFilterForm(request.GET)
    sort = form.sort_or("-starts_at")
    column = ORDER[sort.removeprefix("-")]
    matching = _matching(form).order_by(f"-{column}" if sort.startswith("-") else column, "-pk")
    if request.GET.get("format") == "csv":
        if not form.is_valid():
            return csv_refusal(form)
        return csv_response("riskdesk-overrides.csv", HEAD, map(_cells, matching.iterator(chunk_size=500)))
    page = Paginator(matching, PER_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    context = {
        "form": form,
        "page": page,
        "rows": [{"one": one, "said": words_of(one), "may_end": book.may_end(one, now)} for one in page],
        "sort": sort,
        "headings": lists.headings(request, TITLES, sort),
        "query": lists.query(request),
        "may_override": may_override(request.user),
    }
    return lists.render_list(request, "accounts/overrides/list.html", "accounts/overrides/_list.html", context)


@require_POST
@gate(access_override)
def end(request: HttpRequest) -> HttpResponse:
    """Back to the plan's rules for the chosen overrides, all or none."""
    assert isinstance(request.user, User)
    keys = [int(key) for key in request.POST.getlist("override") if key.isdecimal() and len(key) < 18]
    chosen = list(RuleOverride.objects.filter(pk__in=keys))
    if not chosen or len(chosen) < len(request.POST.getlist("override")):
        messages.error(request, "Nothing was ended. Choose overrides of the list.")
    else:
        try:
            done = book.end_overrides(chosen, request.user, request.POST.get("reason", ""), request=request)
            messages.success(request, f"{len(done)} override{'' if len(done) == 1 else 's'} ended.")
        except book.OverrideError as error:
            messages.error(request, f"Nothing was ended. {error}")
    return redirect(back_to(request))


def back_to(request: HttpRequest) -> str:
    """The page that the form was on, if it is one of ours."""
    asked = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(asked, allowed_hosts=None) and asked.startswith("/")
    return asked if ours else reverse("overrides")


def _matching(form: OverrideFilterForm) -> QuerySet[RuleOverride]:
    """The overrides that a valid form asks for; a wrong one finds none, and its errors are on the page."""
    if not form.is_valid():
        return RuleOverride.objects.none()
    asked, now = form.cleaned_data, timezone.now()
    found = RuleOverride.objects.select_related(
        "challenge__account__server", "challenge__rule_set__phase__plan", "author", "ended_by"
    )
    over = Q(ended_at__lte=now) | Q(ends_at__lte=now) | Q(challenge__ended_at__isnull=False)
    if asked["state"] == "ended":
        found = found.filter(over)
    elif not asked["state"]:
        found = found.exclude(over)
    if asked["rule"]:
        found = found.filter(rule=asked["rule"])
    if word := asked["q"].strip():
        found = found.filter(
            Q(challenge__account__login__icontains=word)
            | Q(challenge__account__public_id__iexact=word)
            | Q(challenge__account__holder__icontains=word)
            | Q(challenge__rule_set__phase__plan__name__icontains=word)
        )
    return found


def _cells(one: RuleOverride) -> tuple[str, ...]:
    """A line of the export, in the order of its head."""
    account, phase, said = one.challenge.account, one.challenge.rule_set.phase, words_of(one)
    ended: tuple[Any, ...] = (one.ended_at.isoformat() if one.ended_at else "", one.ended_by or "", one.end_reason)
    return (
        account.public_id, account.login, account.server.name, phase.plan.name, phase.name, one.rule, str(one.ordinal),
        said.instead, said.plan, one.reason, str(one.author), one.starts_at.isoformat(),
        one.ends_at.isoformat() if one.ends_at else "", *map(str, ended),
    )  # fmt: skip


__all__ = ["OverrideFilterForm", "Words", "back_to", "end", "overrides"]
