"""Moving running challenges to another version: a deliberate act, previewed, with a reason and a number typed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import moves
from accounts.models import Challenge, Phase, User
from accounts.permissions import access_change_plans, gate
from accounts.plan_forms import MoveForm, PreviewFilterForm
from monitoring.views.preview import Asked, asked_of, context_of, portions
from monitoring.whatif import Verdict

WRONG, CONFLICT = 422, 409
MOST_ACCOUNTS = 200  # named one by one, in an address


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@gate(access_change_plans)
def move(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """Choose (`to`, `from`, `accounts`), look at the preview, say why; sent, it moves those challenges, all or none."""
    if request.method == "POST":
        return _move(request, asked_of(request, slug, phase))
    found = Phase.objects.select_related("plan").filter(plan__slug=slug, slug=phase).first()
    if found is None:
        raise Http404(f"There is no phase {phase} of a plan {slug}.")
    asked = asked_of(request, slug, phase) if "target" in request.GET else None
    if complaint := _complaint(request, asked):
        return _not_understood(request, found, complaint)
    return render(request, "monitoring/plans/move.html", _context(request, found, asked, MoveForm()))


def _move(request: HttpRequest, asked: Asked) -> HttpResponse:
    assert isinstance(request.user, User)
    form = MoveForm(request.POST)
    if asked.target.pk is None:
        raise Http404("Nobody is moved to a draft: publish it first.")
    if complaint := _complaint(request, asked):
        return _not_understood(request, asked.phase, complaint)
    effects = [one for portion in portions(asked) for one in portion]
    if not effects:
        messages.info(request, f"Nobody is left to move: they are judged by version {asked.target.version} already.")
        return _to_version(asked)
    breaches = sum(one.verdict is Verdict.BREACH for one in effects)
    if form.is_valid() and not _agreed(form.cleaned_data["confirm"], breaches):
        form.add_error(
            "confirm",
            f"{breaches} would be in breach at once, by their figures of now: type {breaches} if that is meant.",
        )
    if not form.is_valid():
        context = _context(request, asked.phase, asked, form) | {"needed": breaches}
        status = CONFLICT if "confirm" in form.errors else WRONG
        return render(request, "monitoring/plans/move.html", context, status=status)
    seen = {one.challenge for one in effects}
    still = [key for key in asked.challenges.values_list("pk", flat=True) if key in seen]  # none that ended meanwhile
    try:
        moved = moves.move_challenges(
            still, asked.target, request.user, form.cleaned_data["reason"], datetime.now(UTC), request=request
        )
    except moves.MoveError as error:
        said = "; ".join(f"{path}: {text}" if path else text for path, text in error.errors[:20])
        form.add_error(None, f"Nobody was moved. {said}")
        return render(
            request, "monitoring/plans/move.html", _context(request, asked.phase, asked, form), status=CONFLICT
        )
    noun = "challenge is" if moved == 1 else "challenges are"
    messages.success(request, f"{moved:,} {noun} judged by version {asked.target.version} from now on.")
    return _to_version(asked)


def _agreed(typed: str, breaches: int) -> bool:
    """Whether the number typed is the number of now: exactly below twenty, within a twentieth above (prices move)."""
    text = typed.strip().replace(",", "") or "0"
    return not breaches or (text.isdecimal() and abs(int(text) - breaches) <= breaches // 20)


def _not_understood(request: HttpRequest, phase: Phase, complaint: str) -> HttpResponse:
    """The page to choose again, with what was wrong about the choice."""
    context = _context(request, phase, None, MoveForm()) | {"complaint": complaint}
    return render(request, "monitoring/plans/move.html", context, status=WRONG)


def _complaint(request: HttpRequest, asked: Asked | None) -> str:
    """Why there is nothing to preview; empty: there is."""
    if asked is None:
        return ""
    if len(asked.accounts) > MOST_ACCOUNTS:
        return f"At most {MOST_ACCOUNTS} accounts can be named at once; these are {len(asked.accounts)}."
    if request.GET.get("chosen") == "1" and not asked.versions and not asked.accounts:
        return "Choose the versions that the challenges are moved from, or name the accounts."
    return " ".join(
        f"{word} names several accounts: {', '.join(ids)}. Name their ids." for word, ids in _several(asked)
    )


def _several(asked: Asked) -> list[tuple[str, list[str]]]:
    """The words among the accounts' names that more than one account goes by: a login is one server's only."""
    named: dict[str, list[str]] = {word: [] for word in asked.accounts}
    if named:
        for login, public_id in asked.challenges.values_list("account__login", "account__public_id"):
            for word in {login, public_id} & named.keys():
                named[word].append(public_id)
    return [(word, sorted(ids)) for word, ids in named.items() if len(ids) > 1]


def _missing(asked: Asked) -> list[str]:
    """The named accounts that have no running challenge to move there."""
    found: set[str] = set()
    for login, public_id in asked.challenges.values_list("account__login", "account__public_id"):
        found |= {login, public_id}
    return [name for name in asked.accounts if name not in found]


def _to_version(asked: Asked) -> HttpResponse:
    return redirect("plan-version", slug=asked.phase.plan.slug, phase=asked.phase.slug, number=asked.target.version)


def _context(request: HttpRequest, phase: Phase, asked: Asked | None, form: MoveForm) -> dict[str, Any]:
    rule_sets = list(phase.rule_sets.order_by("-version"))
    running: dict[int, int] = {}
    for version in Challenge.objects.filter(ended_at=None, rule_set__phase=phase).values_list(
        "rule_set__version", flat=True
    ):
        running[version] = running.get(version, 0) + 1
    wanted = request.GET.get("to", "") or (str(asked.target.version) if asked else "")
    newest = rule_sets[0].version if rule_sets else 0
    to = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else newest
    context: dict[str, Any] = {
        "phase": phase,
        "plan": phase.plan,
        "asked": asked,
        "form": form,
        "to": to,
        "targets": rule_sets,
        "sources": [
            {
                "version": version,
                "running": number,
                "on": asked is None or not asked.versions or version in asked.versions,
            }
            for version, number in sorted(running.items(), reverse=True)
        ],
        "accounts": " ".join(asked.accounts) if asked else request.GET.get("accounts", ""),
    }
    if asked is not None:
        context["missing"] = _missing(asked) if asked.accounts else []
        context |= context_of(request, asked, PreviewFilterForm({}), whole=False)
        context |= {"live": False}
    return context
