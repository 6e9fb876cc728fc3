"""Which rulebook judges a challenge, now or at any instant before: its rule set, with what sets it apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import Challenge, RuleOverride, RuleSet
from accounts.refusals import Complaint
from monitoring.engine.ruleset import RuleSetError, parse_rule_set
from monitoring.engine.ruleset.patch import Override, apply_overrides

CENT = Decimal("0.01")
BROUGHT = frozenset({"version", "currency", "initial_balance"})  # by each challenge, not by the rule set


def document_of(challenge: Challenge, rule_set: RuleSet | None = None) -> dict[str, Any]:
    """The rule set's document with S, currency and version filled in, no override applied."""
    used = rule_set or challenge.rule_set
    return {
        "version": used.version,
        "currency": challenge.account.currency,
        "initial_balance": str(Decimal(challenge.initial_balance).quantize(CENT)),
        **{key: value for key, value in used.document.items() if key not in BROUGHT},
    }


def rulebook(challenge: Challenge, at: datetime | None = None) -> dict[str, Any]:
    """The document of the challenge's rule set with the overrides that hold at `at` (left out: now)."""
    return effective(document_of(challenge), active(challenge, at))


def rulebook_at(challenge: Challenge, instant: datetime) -> dict[str, Any]:
    """The document that judged at `instant`: the version of then, by the moves, and the overrides of then."""
    return effective(document_of(challenge, rule_set_at(challenge, instant)), active(challenge, instant))


def rule_set_at(challenge: Challenge, instant: datetime) -> RuleSet:
    """The version that the challenge was pinned to at `instant`."""
    found = challenge.rule_set
    for move in challenge.moves.select_related("moved_from__phase", "moved_to__phase").order_by("-at", "-pk"):
        if move.at <= instant:
            return move.moved_to
        found = move.moved_from
    return found


def active(challenge: Challenge, at: datetime | None = None) -> list[RuleOverride]:
    """The overrides that hold at `at` (left out: now), `in_order`; from prefetched `overrides` without a query.

    A challenge that has ended keeps those that it ended under: what judged it stays.
    """
    instant = at or timezone.now()
    return in_order(one for one in challenge.overrides.all() if holds(one, instant, challenge.ended_at))


def in_order(overrides: Iterable[RuleOverride]) -> list[RuleOverride]:
    """By rule and number, whenever they were set: accounts that are set apart alike have one and the same document."""
    return sorted(overrides, key=lambda one: (one.rule, one.ordinal))


def errors_to_come(document: Mapping[str, Any], overrides: Iterable[RuleOverride], at: datetime) -> list[Complaint]:
    """What the engine would not take of the document with these overrides, at `at` and whenever one of them ends.

    An override that makes room for another must not end before it: the account would be left without a rulebook.
    """
    held = list(overrides)
    ends = sorted({one.ends_at for one in held if one.ends_at is not None and one.ends_at > at})
    for end in (None, *ends):
        left = held if end is None else [one for one in held if one.ends_at is None or one.ends_at > end]
        try:
            parse_rule_set(effective(document, left))
        except RuleSetError as error:
            when = f" (from {end:%Y-%m-%d %H:%M:%S} UTC on, when another override has ended)" if end else ""
            return [(path, f"{message}{when}") for path, message in error.errors]
    return []


def likeness(challenge: Challenge, overrides: Iterable[RuleOverride]) -> str:
    """The same text for challenges that the same rulebook judges, now and when overrides end: what is true of one is
    true of all of them.
    """
    said = [(one.rule, one.ordinal, one.replacement, str(one.ends_at)) for one in overrides]
    whose = (challenge.rule_set_id, challenge.account.currency, str(challenge.initial_balance))
    return json.dumps([whose, said], sort_keys=True)


def holds(override: RuleOverride, instant: datetime, last: datetime | None = None) -> bool:
    """Whether it holds at that instant: from its start, and before its end date and whoever ended it.

    After `last`, when its challenge ended, it does not end any more.
    """
    ends = [end for end in (override.ends_at, override.ended_at) if end is not None]
    judged = min(instant, last or instant)
    return override.starts_at <= instant and all(judged < end for end in ends)


def effective(document: Mapping[str, Any], overrides: Iterable[RuleOverride]) -> dict[str, Any]:
    """The document with these overrides in the places of its rules."""
    patches = [Override(one.rule, one.ordinal, one.replacement) for one in in_order(overrides)]
    return dict(apply_overrides(document, patches)) if patches else dict(document)
