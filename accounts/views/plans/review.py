"""The review of a draft: what changes, in words; whom it would hurt now; why; and publishing it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts import plans
from accounts.models import Challenge, Phase, User
from accounts.permissions import access_change_plans, gate
from accounts.plan_forms import ReasonForm
from accounts.views.plans.editing import CONFLICT, WRONG, draft_of, judged_by_engine
from accounts.views.plans.shown import RUNNING, by_whom, changes, digest, newest_of, phase_of


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_change_plans)
def review(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """The page; sent with a reason, the draft that it shows is published, once."""
    found = phase_of(slug, phase)
    draft = draft_of(found)
    if request.method == "POST":
        return _publish(request, found)
    if draft is None:
        messages.info(request, "There is no draft to review: nothing was changed yet.")
        return redirect("plan-edit", slug=slug, phase=phase)
    return render(request, "accounts/plans/review.html", _context(found, ReasonForm()))


@require_POST
@gate(access_change_plans)
def discard(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """Throw the draft away, unless somebody else has saved it since the page was shown."""
    found = phase_of(slug, phase)
    assert isinstance(request.user, User)
    with plans.drafting(found):
        draft, seen = draft_of(phase_of(slug, phase)), request.POST.get("stamp")
        unseen = draft and draft.author != request.user and seen not in {None, draft.updated_at.isoformat()}
        gone = not unseen and plans.discard_draft(found, request.user, request=request)
    if draft and unseen:
        said = f"{by_whom(draft.author)} changed the draft after you opened the page"
        messages.error(request, f"{said}: it is not thrown away. Look at it.")
        return redirect("plan-edit", slug=slug, phase=phase)
    messages.success(request, "The draft is thrown away." if gone else "There was no draft.")
    return redirect("plan", slug=slug)


@require_POST
@gate(access_change_plans)
def rebase(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """Go on with the draft from the version that was published meanwhile."""
    found = phase_of(slug, phase)
    assert isinstance(request.user, User)
    with plans.drafting(found):
        found = phase_of(slug, phase)
        draft, newest = draft_of(found), newest_of(found)
        if draft is not None and newest is not None:
            plans.save_draft(found, draft.document, request.user, base_version=newest.version)
    if draft is not None and newest is not None:
        messages.success(request, f"The draft now follows version {newest.version}: look at what it changes about it.")
    return redirect("plan-review", slug=slug, phase=phase)


def _publish(request: HttpRequest, phase: Phase) -> HttpResponse:
    assert isinstance(request.user, User)
    draft, form = draft_of(phase), ReasonForm(request.POST)
    seen, base = request.POST.get("digest", ""), request.POST.get("base", "")
    slug = phase.plan.slug
    if done := _sent_before(request, phase, seen, base):
        return done
    if draft is None:
        messages.error(request, "There is no draft any more: it was published or thrown away meanwhile.")
        return redirect("plan", slug=slug)
    if seen != digest(draft.document):
        said = f"{by_whom(draft.author)} changed the draft after you opened this page. This is the draft as it is now."
        return render(request, "accounts/plans/review.html", _context(phase, form, said), status=CONFLICT)
    if not form.is_valid():
        return render(request, "accounts/plans/review.html", _context(phase, form), status=WRONG)
    try:
        made = plans.publish(
            phase, draft.document, request.user, form.cleaned_data["reason"],
            base_version=int(base) if base.isdecimal() else draft.base_version, request=request,
        )  # fmt: skip
    except plans.PlanError as error:
        if error.conflict and (done := _sent_before(request, phase, seen, base)):
            return done
        said = "; ".join(f"{path}: {text}" if path else text for path, text in error.errors)
        status = CONFLICT if error.conflict else WRONG
        return render(request, "accounts/plans/review.html", _context(phase, form, said), status=status)
    messages.success(request, f"Version {made.version} is published: challenges that start now get it.")
    return redirect("plan-version", slug=slug, phase=phase.slug, number=made.version)


def _sent_before(request: HttpRequest, phase: Phase, seen: str, base: str) -> HttpResponse | None:
    """To the version that this very form has published already: it was sent twice. None: it has not."""
    newest = newest_of(phase)
    if newest is None or seen != digest(newest.document) or base != str(newest.version - 1):
        return None
    messages.info(request, f"This is published already, as version {newest.version}.")
    return redirect("plan-version", slug=phase.plan.slug, phase=phase.slug, number=newest.version)


def _context(phase: Phase, form: ReasonForm, refused: str = "") -> dict[str, Any]:
    draft, newest = draft_of(phase), newest_of(phase)
    assert draft is not None
    errors, warnings = judged_by_engine(draft.document)
    base = phase.rule_sets.filter(version=draft.base_version).first()
    overtaken = newest is not None and draft.base_version != newest.version
    return {
        "phase": phase,
        "plan": phase.plan,
        "draft": draft,
        "drafted_by": by_whom(draft.author),
        "form": form,
        "refused": refused,
        "errors": errors,
        "warnings": warnings,
        "changes": changes(newest.document if newest else None, draft.document) if not errors else [],
        "same": newest is not None and newest.document == plans.kept(draft.document),
        "overtaken": overtaken,
        "meanwhile": changes(base.document, newest.document) if overtaken and base and newest else [],
        "newest": newest,
        "newest_by": by_whom(newest.author) if newest else "",
        "base": draft.base_version,
        "digest": digest(draft.document),
        "next_version": (newest.version if newest else 0) + 1,
        "running": Challenge.objects.filter(RUNNING, rule_set__phase=phase).count(),
    }
