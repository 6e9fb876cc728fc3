"""The pages of plans: the list, one plan, the editor of a phase's rules, its review, and every version."""

from __future__ import annotations

from accounts.views.plans.catalogue import catalogue
from accounts.views.plans.changes import change
from accounts.views.plans.editing import check, edit, edit_json
from accounts.views.plans.making import import_json, new, presets_page
from accounts.views.plans.plan import export, plan
from accounts.views.plans.review import discard, rebase, review
from accounts.views.plans.versions import version

__all__ = [
    "catalogue",
    "change",
    "check",
    "discard",
    "edit",
    "edit_json",
    "export",
    "import_json",
    "new",
    "plan",
    "presets_page",
    "rebase",
    "review",
    "version",
]
