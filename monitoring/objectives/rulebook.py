"""The rulebook of an account: the rules that judge its challenge, in words, and what sets them apart from its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch

from accounts import overrides, rulebooks
from accounts.models import Account, Challenge, RuleOverride
from monitoring.engine.ruleset import LossRule, RuleSet, RuleSetError, parse_rule_set
from monitoring.engine.ruleset.patch import rule_keys
from monitoring.engine.ruleset.sentences import title_of

OBJECTIVES = frozenset({"profit_target", "min_trading_days"})  # what is to be reached; all others are to be kept
_MEASURABLE = OBJECTIVES | {
    "consistency",
    "inactivity",
    "max_lots_per_position",
    "max_lots_total",
    "max_positions",
    "soft_breaches",
    "time_limit",
}


@dataclass(frozen=True, slots=True)
class Apart:
    """Who set a rule apart from the plan, why, until when; `instead`: the plan's sentence, empty for a further rule."""

    author: str
    reason: str
    since: datetime
    ends_at: datetime | None
    instead: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the document that judges; `index` is its place in it."""

    index: int
    name: str
    title: str
    sentence: str
    apart: Apart | None = None

    @property
    def loss(self) -> bool:
        """Whether it is a limit with a floor."""
        return self.name in {"daily_loss", "max_loss"}

    @property
    def objective(self) -> bool:
        """Whether it is to be reached, not to be kept."""
        return self.name in OBJECTIVES

    @property
    def measurable(self) -> bool:
        """Whether a share of it can be shown on a gauge."""
        return self.loss or self.name in _MEASURABLE


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A rule of the plan that does not apply to this challenge, with the plan's sentence."""

    title: str
    sentence: str
    apart: Apart


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What the newest challenge of an account is judged by; `refused` says why its rule set cannot be used."""

    challenge: Challenge
    rules: tuple[Rule, ...]
    digits: int = 2
    size: int = 0  # S in minor units
    reset_time: str = ""  # local wall time
    reset_zone: str = ""
    refused: str = ""
    left_out: tuple[LeftOut, ...] = ()

    @property
    def plan(self) -> str:
        """The plan's name."""
        return str(self.challenge.rule_set.phase.plan.name)

    @property
    def phase(self) -> str:
        """The phase's name."""
        return str(self.challenge.rule_set.phase.name)

    @property
    def version(self) -> int:
        """The version of the rule set that the challenge is pinned to."""
        return int(self.challenge.rule_set.version)

    @property
    def overridden(self) -> bool:
        """Whether anything sets it apart from its plan."""
        return bool(self.left_out) or any(rule.apart for rule in self.rules)


def rulebook(account: Account, at: datetime | None = None) -> Rulebook | None:
    """The account's rulebook as it is at `at` (left out: now); None before it has a challenge."""
    return rulebook_of(account.public_id, at)


def rulebook_of(public_id: str, at: datetime | None = None) -> Rulebook | None:
    """As `rulebook`, for sockets, which know ids only."""
    challenge = (
        Challenge.objects.filter(account__public_id=public_id)
        .select_related("account", "rule_set__phase__plan")
        .prefetch_related(Prefetch("overrides", RuleOverride.objects.select_related("author")))
        .order_by("-started_at", "-pk")
        .first()
    )
    if challenge is None:
        return None
    holding = overrides.active(challenge, at)
    plan = rulebooks.document_of(challenge)
    try:
        rule_set = parse_rule_set(rulebooks.effective(plan, holding))
    except RuleSetError as error:
        return Rulebook(challenge, (), refused=str(error))
    marks, left_out = set_apart(plan, holding)
    return Rulebook(
        challenge,
        tuple(_rules(rule_set, marks)),
        rule_set.digits,
        rule_set.initial_balance,
        f"{rule_set.reset.time:%H:%M}",
        rule_set.reset.zone,
        left_out=left_out,
    )


def set_apart(plan: Mapping[str, Any], holding: Iterable[RuleOverride]) -> tuple[dict[int, Apart], tuple[LeftOut, ...]]:
    """What overrides do to a plan's document: marks by index in the one that they make, and what they leave out."""
    chosen = {(one.rule, one.ordinal): one for one in holding}  # of several for one rule the last holds
    sentences = plan_sentences(plan)
    marks: dict[int, Apart] = {}
    left_out: list[LeftOut] = []
    kept = 0
    for place, key in enumerate(rule_keys(plan["rules"])):
        override = chosen.pop(key, None)
        if override is not None:
            apart = _apart(override, sentences.get(place, ""))
            if override.replacement is None:
                left_out.append(LeftOut(title_of(plan["rules"][place]), apart.instead, apart))
                continue
            marks[kept] = apart
        kept += 1
    for override in chosen.values():
        if override.replacement is not None:
            marks[kept] = _apart(override, "")
            kept += 1
    return marks, tuple(left_out)


def plan_sentences(plan: Mapping[str, Any]) -> dict[int, str]:
    """The sentences of a document by index; empty for one that cannot be used by itself."""
    try:
        rule_set = parse_rule_set(plan)
    except RuleSetError:
        return {}
    return {rule.index: rule_set.sentence(rule) for rule in rule_set.rules}


def _apart(override: RuleOverride, instead: str) -> Apart:
    author = override.author.get_full_name() or override.author.get_username()
    return Apart(author, override.reason, override.starts_at, override.ends_at, instead)


def _rules(rule_set: RuleSet, marks: Mapping[int, Apart]) -> Iterable[Rule]:
    for rule in rule_set.rules:
        entry = {"rule": rule.rule, "mode": rule.mode} if isinstance(rule, LossRule) else {"rule": rule.rule}
        yield Rule(rule.index, rule.rule, title_of(entry), rule_set.sentence(rule), marks.get(rule.index))
