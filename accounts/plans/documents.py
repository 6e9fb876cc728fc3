"""A phase's document: checked by the engine itself, kept without what each challenge brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.presets.parts import document as document_with
from accounts.refusals import Complaint, Refusal, storable_errors
from monitoring.engine.ruleset import RuleSetError, parse_rule_set

SAMPLE = {"version": 1, "currency": "USD", "initial_balance": "100000.00"}  # what a challenge brings, to check with


class PlanError(Refusal):
    """A plan or a rule set that cannot be as asked; `errors` lists (path, message) as RuleSetError does."""


def check_document(document: object) -> tuple[str, ...]:
    """The engine's warnings ("path: text") about a document that it takes; PlanError lists what is wrong with it."""
    if not isinstance(document, Mapping):
        raise PlanError([("", f"must be an object, is {document!r:.60}")])
    if errors := storable_errors(dict(document)):
        raise PlanError(errors)
    try:
        return tuple(parse_rule_set(whole_document(document)).warnings)
    except RuleSetError as error:
        raise PlanError(error.errors, warnings=error.warnings) from error


def warnings_of(document: Mapping[str, Any]) -> list[Complaint]:
    """What the engine finds odd about a document, wrong or not, by path."""
    try:
        return list(parse_rule_set(whole_document(document)).notes)
    except RuleSetError as error:
        return error.warnings


def whole_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with a sample of what each challenge brings: version, currency, S; its own, where it has them."""
    return {**SAMPLE, **document}


def kept(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a document is the phase's: all but what each challenge brings."""
    return {key: value for key, value in document.items() if key not in SAMPLE}


def under(prefix: str, error: Refusal) -> list[tuple[str, str]]:
    """A document's errors below the path where it stands."""
    return [(f"{prefix}.{path}" if path else prefix, message) for path, message in error.errors]


def blank_document() -> dict[str, Any]:
    """What a new phase begins with: every setting at its default, no rule."""
    return document_with("00:00", "Europe/Prague")
