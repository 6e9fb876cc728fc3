"""The form that sets one rule of one or many accounts apart from their plans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import overrides as book
from accounts import rulebooks
from accounts.forms import SHOWN_ZONES
from accounts.models import Account, Challenge, User
from accounts.permissions import access_override, gate
from accounts.plan_forms import RULES, START, RuleForm, document_of, form_of
from accounts.views.overrides.listed import back_to
from accounts.views.overrides.words import planned_rules, rule_of, sentence
from monitoring.engine.ruleset import RuleSetError, parse_rule_set

WRONG, CONFLICT = 422, 409
MOST_NAMED = 20_000
SHOWN_PLANS = 20
NAMED_IN_ADDRESS = 50  # more are sent by POST: an address has no room for them
Errors = list[tuple[str, str]]


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_override)
def new(request: HttpRequest) -> HttpResponse:
    """Choose accounts and a rule, then say what holds instead; `do=check` only judges what is typed."""
    asked = request.POST if request.method == "POST" else request.GET
    accounts, errors = named_accounts(" ".join(asked.getlist("account")))
    rule, ordinal = asked.get("rule", ""), asked.get("ordinal", "0")
    challenges = _challenges(accounts)
    chosen = asked.get("do") == "choose"
    if rule not in RULES or not ordinal.isdecimal() or len(ordinal) > 2 or errors or not challenges:
        if rule and rule not in RULES:
            errors.append(("rule", f"There is no rule {rule:.40}."))
        if accounts and not challenges and not errors:
            errors.append(("account", "None of these accounts has a running challenge."))
        context = _choosing(request, asked, challenges, errors)
        return render(request, "accounts/overrides/choose.html", context, status=WRONG if errors else 200)
    if request.method != "POST" or chosen:
        return render(request, "accounts/overrides/new.html", _context(request, challenges, rule, int(ordinal)))
    return _sent(request, challenges, accounts, rule, int(ordinal))


def choose_for(request: HttpRequest, public_ids: Collection[str], shown: str, way_back: str) -> HttpResponse:
    """The choice of a rule for accounts that another page chose; `shown` says which. Who cannot have one is counted."""
    challenges = _challenges(list(Account.objects.filter(public_id__in=public_ids)))
    ids = [challenge.account.public_id for challenge in challenges]
    asked = QueryDict(mutable=True)
    asked.update({"account": " ".join(ids), "next": way_back})
    errors = [] if ids else [("account", "None of these accounts has a running challenge.")]
    context = _choosing(request, asked, challenges, errors)
    context |= {"many": True, "shown": shown, "left_out": len(public_ids) - len(ids)}
    return render(request, "accounts/overrides/choose.html", context, status=200 if ids else CONFLICT)


def wanted_of(request: HttpRequest) -> tuple[list[Challenge], str, int, dict[str, Any] | None, Errors]:
    """What a form asks for: running challenges, rule, ordinal, what holds instead (None: nothing), what is wrong."""
    rule, ordinal = request.POST.get("rule", ""), request.POST.get("ordinal", "0")
    accounts, errors = named_accounts(" ".join(request.POST.getlist("account")))
    if rule not in RULES or not ordinal.isdecimal() or len(ordinal) > 2:
        errors.append(("rule", f"There is no rule {rule:.40} number {ordinal:.10}."))
        return [], "", 0, None, errors
    if request.POST.get("mode") == "off":
        return _challenges(accounts), rule, int(ordinal), None, errors
    replacement = document_of(request.POST)["rules"][:1]
    if not replacement:
        errors.append(("replacement", "Say what holds instead."))
    return _challenges(accounts), rule, int(ordinal), dict(replacement[0]) if replacement else None, errors


def named_accounts(text: str) -> tuple[list[Account], Errors]:
    """The accounts that public ids or logins name, apart by spaces, commas or lines; what names none, or several."""
    words = list(dict.fromkeys(word for word in re.split(r"[\s,;]+", text.replace("\0", "\ufffd")) if word))
    if len(words) > MOST_NAMED:
        return [], [("account", f"Name at most {MOST_NAMED:,} accounts at once.")]
    by_id = {one.public_id: one for one in Account.objects.select_related("server").filter(public_id__in=words)}
    rest = [word for word in words if word not in by_id]
    by_login: dict[str, list[Account]] = {}
    for one in Account.objects.select_related("server").filter(login__in=rest):
        by_login.setdefault(one.login, []).append(one)
    errors: Errors = []
    for word in rest:
        found = by_login.get(word, [])
        if not found:
            errors.append(("account", f"There is no account {word:.80}."))
        elif len(found) > 1:
            names = ", ".join(one.public_id for one in found)
            errors.append(("account", f"Login {word} is on several servers: name {names}."))
    named = [by_id.get(word) or by_login[word][0] for word in words if word in by_id or word in by_login]
    return list({one.pk: one for one in named}.values()), errors


def _sent(
    request: HttpRequest, challenges: list[Challenge], accounts: list[Account], rule: str, ordinal: int
) -> HttpResponse:
    assert isinstance(request.user, User)
    replacement = None if request.POST.get("mode") == "off" else document_of(request.POST)["rules"][:1]
    context = _context(request, challenges, rule, ordinal, replacement[0] if replacement else None)
    if request.POST.get("do") == "check":
        return render(request, "accounts/overrides/_check.html", {**context, "live": True})
    ends_at, errors = _ends_at(request)
    if replacement == []:
        errors.append(("replacement", "Say what holds instead."))
    try:
        if not errors:
            book.set_overrides(
                accounts, rule, ordinal, replacement[0] if replacement else None, request.user,
                request.POST.get("reason", ""), ends_at, request=request,
            )  # fmt: skip
    except book.OverrideError as error:
        errors, conflict = list(error.errors), error.conflict
        return render(
            request,
            "accounts/overrides/new.html",
            {**context, "errors": errors},
            status=CONFLICT if conflict else WRONG,
        )
    if errors:
        return render(request, "accounts/overrides/new.html", {**context, "errors": errors}, status=WRONG)
    number = len(accounts)
    messages.success(
        request, f"{RULES[rule][0]} is set apart for {accounts[0].login if number == 1 else f'{number} accounts'}."
    )
    return redirect(back_to(request))


def _challenges(accounts: list[Account]) -> list[Challenge]:
    return list(
        Challenge.objects.filter(account__in=accounts, ended_at=None)
        .select_related("account__server", "rule_set__phase__plan")
        .prefetch_related("overrides")
        .order_by("account__login", "pk")
    )


def _choosing(request: HttpRequest, asked: Any, challenges: list[Challenge], errors: Errors) -> dict[str, Any]:
    one = challenges[0] if len(challenges) == 1 else None
    return {
        "named": " ".join(asked.getlist("account")),
        "challenges": challenges,
        "one": one,
        "planned": [(*found, RULES[found[0]][0]) for found in planned_rules(one) if found[0] in RULES] if one else [],
        "kinds": [(name, title) for name, (title, _) in RULES.items()],
        "rule": asked.get("rule", ""),
        "errors": errors,
        "next": asked.get("next", ""),
        "many": len(challenges) > NAMED_IN_ADDRESS,
    }


def _context(
    request: HttpRequest, challenges: list[Challenge], rule: str, ordinal: int, replacement: Any = None
) -> dict[str, Any]:
    first = challenges[0]
    document = rulebooks.document_of(first)
    off = request.POST.get("mode") == "off"
    current = replacement or _current(first, document, rule, ordinal)
    errors, warnings = _judged(document, current)
    form: RuleForm = form_of({**document, "rules": [current]}, errors, warnings).rules[0]
    planned = Counter(_planned(challenge, rule, ordinal) for challenge in challenges)
    return {
        "challenges": challenges,
        "many": len(challenges) > NAMED_IN_ADDRESS,
        "account_ids": " ".join(challenge.account.public_id for challenge in challenges),
        "title": RULES[rule][0],
        "rule": rule,
        "ordinal": ordinal,
        "one": form,
        "off": off,
        "sentence": "" if errors else sentence(document, current),
        "planned": planned.most_common(SHOWN_PLANS),
        "exists": rule_of(document, rule, ordinal) is not None,
        "reason": request.POST.get("reason", ""),
        "ends_at": request.POST.get("ends_at", ""),
        "zone": _zone(request),
        "zones": ["UTC", *SHOWN_ZONES],
        "next": request.POST.get("next") or request.GET.get("next", ""),
    }


def _current(challenge: Challenge, document: dict[str, Any], rule: str, ordinal: int) -> dict[str, Any]:
    """What the form begins with: the override that holds now, else the plan's rule, else a common one."""
    for one in book.active(challenge):
        if (one.rule, one.ordinal) == (rule, ordinal) and one.replacement is not None:
            return dict(one.replacement)
    return dict(rule_of(document, rule, ordinal) or {"rule": rule, **START[rule]})


def _judged(document: dict[str, Any], rule: dict[str, Any]) -> tuple[Errors, Errors]:
    """What the engine says of the rule alone; the whole rulebook is judged when it is set."""
    try:
        return [], list(parse_rule_set({**document, "rules": [rule]}).notes)
    except RuleSetError as error:
        return [found for found in error.errors if found[0].startswith("rules")], []


def _planned(challenge: Challenge, rule: str, ordinal: int) -> str:
    document = rulebooks.document_of(challenge)
    found = rule_of(document, rule, ordinal)
    said = "has no such rule" if found is None else sentence(document, found)
    phase = challenge.rule_set.phase
    return f"{phase.plan.name}, {phase.name}, version {challenge.rule_set.version}: {said}"


def _zone(request: HttpRequest) -> str:
    return str(getattr(request.user, "time_zone", "") or settings.RISKDESK_TIME_ZONE)


def _ends_at(request: HttpRequest) -> tuple[datetime | None, Errors]:
    """The end as typed, in the reader's own zone if it says none; None: it holds until somebody ends it."""
    text = request.POST.get("ends_at", "").strip()
    if not text:
        return None, []
    try:
        typed = datetime.fromisoformat(text)
        return (typed if typed.tzinfo else typed.replace(tzinfo=ZoneInfo(_zone(request)))).astimezone(UTC), []
    except (ValueError, OverflowError):
        return None, [("ends_at", f"{text:.40} is no day and time; write 2026-12-31T18:00.")]
