"""The editor of a phase's rule set: a form, live beside it what the engine says, and the same draft as JSON."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from django.contrib import messages
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import plans
from accounts.forms import SHOWN_ZONES
from accounts.models import Phase, RuleSetDraft, User
from accounts.permissions import access_change_plans, gate
from accounts.plan_forms import Document, RuleSetForm, document_of, form_of, in_order, json_text
from accounts.plan_forms.acts import act
from accounts.plan_forms.specs import RULES
from accounts.views.plans.shown import (
    Sample,
    by_whom,
    newest_of,
    phase_of,
    rules_shown,
    sample_of,
)
from monitoring.engine.ruleset import RuleSetError, load_document, parse_rule_set

WRONG, CONFLICT = 422, 409
_SAVED_BY = "draft-{}"  # in the session: which page saved the draft of a phase last, and its stamp


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_change_plans)
def edit(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """The form. Whatever is sent is kept as the draft; `do` adds, removes and moves rules, or goes on to the review."""
    found = phase_of(slug, phase)
    if request.method != "POST":
        return render(request, "accounts/plans/edit.html", edit_context(request, found, _work(found)))
    sent = document_of(request.POST)
    wanted = request.POST.get("do", "save")
    document, anchor = act(sent, wanted, request.POST)
    try:
        found, conflict = _keep(request, found, document, deliberate=True)
    except plans.PlanError as error:
        context = edit_context(request, found, document) | {"refused": error.errors}
        return render(request, "accounts/plans/edit.html", context, status=WRONG)
    if conflict:
        context = edit_context(request, found, document) | _conflict(request, found, conflict)
        return render(request, "accounts/plans/edit.html", context, status=CONFLICT)
    if wanted == "review":
        return redirect("plan-review", slug=slug, phase=phase)
    if draft_of(found) is not None and wanted == "save":
        messages.success(request, "The draft is saved. It judges nobody until it is published.")
    return redirect(f"{reverse('plan-edit', args=[slug, phase])}{_kept_query(request)}{anchor}")


@require_http_methods(["POST"])
@gate(access_change_plans)
def check(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """For htmx while somebody types: keep the draft; answer with what the engine says at each field and rule."""
    found = phase_of(slug, phase)
    document = document_of(request.POST)
    conflict, refused = "", []
    try:
        found, conflict = _keep(request, found, document)
    except plans.PlanError as error:
        refused = error.errors
    context = edit_context(request, found, document) | {"refused": refused, "live": True}
    if conflict:
        context |= _conflict(request, found, conflict)
    return render(request, "accounts/plans/_check.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_change_plans)
def edit_json(request: HttpRequest, slug: str, phase: str) -> HttpResponse:
    """The draft as JSON, with the engine's errors by path; what is no JSON stays in the field."""
    found = phase_of(slug, phase)
    if request.method != "POST":
        return render(request, "accounts/plans/json.html", _json_context(request, found, _work(found)))
    text = request.POST.get("json", "").replace("\0", "\ufffd")
    refused: list[tuple[str, str]] = []
    document: Any = _work(found)
    try:
        document = load_document(text)
        found, conflict = _keep(request, found, document, deliberate=True)
        if conflict:
            context = _json_context(request, found, document) | {"conflict": conflict}
            return render(request, "accounts/plans/json.html", context, status=CONFLICT)
    except (plans.PlanError, RuleSetError) as error:
        refused = error.errors
    if refused:
        context = _json_context(request, found, _work(found)) | {"text": text, "refused": refused, "errors": []}
        return render(request, "accounts/plans/json.html", context, status=WRONG)
    if request.POST.get("do") == "review":
        return redirect("plan-review", slug=slug, phase=phase)
    messages.success(request, "The draft is saved. It judges nobody until it is published.")
    return redirect("plan-edit-json", slug=slug, phase=phase)


def edit_context(request: HttpRequest, phase: Phase, document: Document) -> dict[str, Any]:
    """Everything that the editor shows of a document."""
    sample = sample_of(request, phase)
    errors, warnings = judged_by_engine(document, sample)
    form = form_of(document, errors, warnings)
    said = rules_shown(document, sample)
    return {
        **_head(request, phase),
        "form": form,
        "rules": list(zip(form.rules, said, strict=True)),
        "kinds": [(kind, title) for kind, (title, _) in RULES.items()],
        "sample": sample,
        "zones": ["UTC", *SHOWN_ZONES],
        "summary": _summary(form),
    }


def judged_by_engine(
    document: Document,
    sample: Sample = Sample(),  # noqa: B008  # frozen
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The engine's errors and warnings, by path; what each challenge brings is judged too, where a document has it."""
    try:
        return [], list(parse_rule_set({**sample.brought, **document}).notes)
    except RuleSetError as error:
        return list(error.errors), list(error.warnings)


def draft_of(phase: Phase) -> RuleSetDraft | None:
    """Somebody's unfinished work on the next version."""
    return getattr(phase, "draft", None)


def _head(request: HttpRequest, phase: Phase) -> dict[str, Any]:
    draft, newest = draft_of(phase), newest_of(phase)
    number = newest.version if newest else 0
    return {
        "phase": phase,
        "plan": phase.plan,
        "draft": draft,
        "drafted_by": by_whom(draft.author) if draft else "",
        "stamp": draft.updated_at.isoformat() if draft else "",
        "base": draft.base_version if draft else number,
        "tab": request.POST.get("tab", "")[:32] or token_hex(8),
        "newest": newest,
        "newest_by": by_whom(newest.author) if newest else "",
        "overtaken": bool(draft and draft.base_version != number),
        "next_version": number + 1,
        "kept_query": _kept_query(request),
    }


def _json_context(request: HttpRequest, phase: Phase, document: Document) -> dict[str, Any]:
    errors, warnings = judged_by_engine(document)
    return {**_head(request, phase), "text": json_text(in_order(document)), "errors": errors, "warnings": warnings}


def _work(phase: Phase) -> Document:
    """The draft's document, else the newest version's, else an empty one."""
    draft = draft_of(phase)
    if draft is not None:
        return dict(draft.document)
    newest = newest_of(phase)
    return dict(newest.document) if newest else plans.blank_document()


def _keep(request: HttpRequest, phase: Phase, document: Document, *, deliberate: bool = False) -> tuple[Phase, str]:
    """Keep it as the draft unless somebody changed that; the phase as it is then, and who did (empty: nobody).

    Of pages that send at the same time one comes after the other, and is told.
    """
    with plans.drafting(phase):
        held = phase_of(phase.plan.slug, phase.slug)
        conflict = _overtaken(request, held, deliberate=deliberate)
        if not conflict and (saved := _save(request, held, document)) is not None:
            held.draft = saved  # not what comes after it: the page's stamp is of what it sent
    return held, conflict


def _save(request: HttpRequest, phase: Phase, document: Document) -> RuleSetDraft | None:
    """Keep it as the draft; None: it says what the newest version says, and nobody works on another."""
    assert isinstance(request.user, User)
    draft = draft_of(phase)
    if draft is None:
        newest = newest_of(phase)
        if newest is not None and newest.document == document:
            return None
    elif draft.document == document:
        return draft
    seen = request.POST.get("base", "")  # the version that the page was shown with: it may be overtaken since
    begun = int(seen) if draft is None and seen.isdecimal() and len(seen) < 9 else None
    saved = plans.save_draft(phase, document, request.user, base_version=begun)
    request.session[_SAVED_BY.format(phase.pk)] = [request.POST.get("tab", ""), saved.updated_at.isoformat()]
    try:
        request.session.save()  # at once: what this page sends next may be on its way already
    except UpdateError as error:  # signed out in another window: nothing is kept
        raise SessionInterrupted("The session ended meanwhile.") from error
    return saved


def _overtaken(request: HttpRequest, phase: Phase, *, deliberate: bool = False) -> str:
    """Who has saved the draft since this page was shown; empty: nobody but this page.

    `deliberate`: a person pressed a button, and may have seen the draft that is there (`over`).
    """
    draft, seen = draft_of(phase), request.POST.get("stamp")
    stamp = draft.updated_at.isoformat() if draft else ""
    if draft is None or seen == stamp or (deliberate and request.POST.get("over") == stamp):
        return ""
    if draft.author != request.user:
        return by_whom(draft.author)
    if seen is None or (deliberate and _saved_by_this_page(request, phase, stamp)):
        return ""
    return "your other window"


def _saved_by_this_page(request: HttpRequest, phase: Phase, stamp: str) -> bool:
    """Whether the draft is what this very page sent last, its answer not yet seen by it."""
    kept = request.session.load()  # anew: it may have been saved since this request began
    return bool(kept.get(_SAVED_BY.format(phase.pk)) == [request.POST.get("tab", ""), stamp])


def _conflict(request: HttpRequest, phase: Phase, conflict: str) -> dict[str, str]:
    """The page goes on as overtaken until somebody presses a button: what is typed is not kept on the way."""
    draft = draft_of(phase)
    over = draft.updated_at.isoformat() if draft else ""
    return {"conflict": conflict, "stamp": request.POST.get("stamp", ""), "over": over}


def _summary(form: RuleSetForm) -> str:
    """How much is wrong, in words."""
    if not form.wrong and not form.doubtful:
        return "Nothing is wrong with it."
    wrong = f"{form.wrong} error{'' if form.wrong == 1 else 's'}" if form.wrong else "No error"
    doubtful = f"{form.doubtful} warning{'' if form.doubtful == 1 else 's'}" if form.doubtful else "no warning"
    return f"{wrong}, {doubtful}."


def _kept_query(request: HttpRequest) -> str:
    """The example's size stays in the address."""
    kept = request.GET.urlencode()
    return f"?{kept}" if kept else ""
