"""The forms of plans: a rule set's document as fields and back, and what lists and small forms of plans take."""

from __future__ import annotations

from accounts.plan_forms.fields import Field, RuleForm, RuleSetForm, form_of
from accounts.plan_forms.lists import (
    JudgedFilterForm,
    MoveForm,
    NewPhaseForm,
    NewPlanForm,
    PlanFilterForm,
    PreviewFilterForm,
    ReasonForm,
)
from accounts.plan_forms.specs import EMPTY_WINDOW, RULES, START
from accounts.plan_forms.values import Document, document_of, in_order, json_text

__all__ = [
    "EMPTY_WINDOW",
    "RULES",
    "START",
    "Document",
    "Field",
    "JudgedFilterForm",
    "MoveForm",
    "NewPhaseForm",
    "NewPlanForm",
    "PlanFilterForm",
    "PreviewFilterForm",
    "ReasonForm",
    "RuleForm",
    "RuleSetForm",
    "document_of",
    "form_of",
    "in_order",
    "json_text",
]
