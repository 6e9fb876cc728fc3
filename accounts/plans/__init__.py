"""Plans: what the firm sells, the rule sets of their phases, and what one may do with them."""

from accounts.plans.catalogue import (
    add_phase,
    archive_plan,
    copy_plan,
    create_from_preset,
    create_plan,
    remove_phase,
    rename_phase,
    rename_plan,
    reorder_phases,
    restore_plan,
)
from accounts.plans.defaults import (
    DEFAULT_PLAN,
    default_rule_set,
    ensure_default_plans,
    newest_rule_set,
    rule_set_of_group,
    two_step_document,
)
from accounts.plans.documents import PlanError, blank_document, check_document, kept, whole_document
from accounts.plans.exchange import export_plan, import_plan
from accounts.plans.versions import discard_draft, drafting, publish, save_draft

__all__ = [
    "DEFAULT_PLAN",
    "PlanError",
    "add_phase",
    "archive_plan",
    "blank_document",
    "check_document",
    "copy_plan",
    "create_from_preset",
    "create_plan",
    "default_rule_set",
    "discard_draft",
    "drafting",
    "ensure_default_plans",
    "export_plan",
    "import_plan",
    "kept",
    "newest_rule_set",
    "publish",
    "remove_phase",
    "rename_phase",
    "rename_plan",
    "reorder_phases",
    "restore_plan",
    "rule_set_of_group",
    "save_draft",
    "two_step_document",
    "whole_document",
]
