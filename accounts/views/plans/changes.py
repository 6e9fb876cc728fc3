"""What the page of a plan changes about it: its name, its phases and their order, whether it is sold."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts import plans
from accounts.models import Phase, Plan, User
from accounts.permissions import access_change_plans, gate
from accounts.views.plans.plan import plan_of


@require_POST
@gate(access_change_plans)
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """Do what the button `do` says, then show the plan again; what was wrong is said on it."""
    found, wanted = plan_of(slug), request.POST.get("do", "")
    assert isinstance(request.user, User)
    act = ACTS.get(wanted.partition(":")[0])
    if act is None:
        messages.error(request, "Nothing was done: the page did not say what to do.")
    else:
        try:
            messages.success(request, act(request, found, request.user, wanted.partition(":")[2]))
        except plans.PlanError as error:
            messages.error(request, "; ".join(f"{path}: {said}" if path else said for path, said in error.errors))
    return redirect("plan", slug=found.slug)


def _rename(request: HttpRequest, plan: Plan, actor: User, _: str) -> str:
    held = plans.rename_plan(plan, request.POST.get("name", ""), actor, request=request)
    return f"The plan is called {held.name}."


def _archive(request: HttpRequest, plan: Plan, actor: User, _: str) -> str:
    plans.archive_plan(plan, actor, request.POST.get("reason", ""), request=request)
    return f"{plan.name} is archived: nobody buys it any more, and what runs goes on."


def _restore(request: HttpRequest, plan: Plan, actor: User, _: str) -> str:
    plans.restore_plan(plan, actor, request=request)
    return f"{plan.name} is sold again."


def _add_phase(request: HttpRequest, plan: Plan, actor: User, _: str) -> str:
    slug, name = request.POST.get("phase-slug", "").strip(), request.POST.get("phase-name", "")
    phase = plans.add_phase(plan, slug, name, actor, request=request)
    return f"The phase {phase.name} is there; it has no rule yet."


def _rename_phase(request: HttpRequest, plan: Plan, actor: User, slug: str) -> str:
    phase = plans.rename_phase(_phase(plan, slug), request.POST.get("name", ""), actor, request=request)
    return f"The phase is called {phase.name}."


def _remove_phase(request: HttpRequest, plan: Plan, actor: User, slug: str) -> str:
    phase = _phase(plan, slug)
    plans.remove_phase(phase, actor, request.POST.get("reason", ""), request=request)
    return f"The phase {phase.name} is removed."


def _move(step: int) -> Callable[[HttpRequest, Plan, User, str], str]:
    """One place up (-1) or down (1)."""

    def move(request: HttpRequest, plan: Plan, actor: User, slug: str) -> str:
        slugs = list(plan.phases.order_by("order").values_list("slug", flat=True))
        at = slugs.index(_phase(plan, slug).slug)
        to = min(max(at + step, 0), len(slugs) - 1)
        slugs.insert(to, slugs.pop(at))
        plans.reorder_phases(plan, slugs, actor, request=request)
        return f"The order is: {', '.join(slugs)}."

    return move


def _phase(plan: Plan, slug: str) -> Phase:
    found = plan.phases.select_related("plan").filter(slug=slug.replace("\0", "\ufffd")).first()
    if found is None:
        raise plans.PlanError([("phase", f"There is no phase {slug!r:.60} of this plan.")])
    return found


ACTS: dict[str, Callable[[HttpRequest, Plan, User, str], str]] = {
    "rename": _rename,
    "archive": _archive,
    "restore": _restore,
    "add-phase": _add_phase,
    "rename-phase": _rename_phase,
    "remove-phase": _remove_phase,
    "up": _move(-1),
    "down": _move(1),
}
