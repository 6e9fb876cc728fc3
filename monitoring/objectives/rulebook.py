"""The rulebook of an account: the rules that its challenge is pinned to, read from the book and put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from accounts import challenges
from accounts.models import Account, Challenge
from monitoring.engine.money import minor_units
from monitoring.engine.ruleset import RuleSet, RuleSetError, parse_rule_set
from monitoring.objectives import words


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the document; `target` in minor units. Only loss rules are judged in this release."""

    index: int
    name: str
    title: str
    sentence: str
    judged: bool
    target: int | None = None


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


def rulebook(account: Account) -> Rulebook | None:
    """The account's rulebook; None before it has a challenge."""
    return rulebook_of(account.public_id)


def rulebook_of(public_id: str) -> Rulebook | None:
    """As `rulebook`, for sockets, which know ids only."""
    challenge = (
        Challenge.objects.filter(account__public_id=public_id)
        .select_related("account", "rule_set__phase__plan")
        .order_by("-started_at", "-pk")
        .first()
    )
    if challenge is None:
        return None
    document = challenges.rule_set_document(challenge)
    try:
        rule_set = parse_rule_set(document)
    except RuleSetError as error:
        return Rulebook(challenge, (), refused=str(error))
    return Rulebook(
        challenge,
        tuple(_rules(rule_set, document)),
        rule_set.digits,
        rule_set.initial_balance,
        f"{rule_set.reset.time:%H:%M}",
        rule_set.reset.zone,
    )


def _rules(rule_set: RuleSet, document: Mapping[str, Any]) -> list[Rule]:
    losses = {rule.index: rule for rule in rule_set.loss_rules}
    found = []
    for index, entry in enumerate(document["rules"]):
        loss = losses.get(index)
        said = rule_set.sentence(loss) if loss else words.sentence(entry)
        target = _target(entry, rule_set) if entry["rule"] == "profit_target" else None
        found.append(Rule(index, str(entry["rule"]), words.title(entry), said, loss is not None, target))
    return found


def _target(entry: Mapping[str, Any], rule_set: RuleSet) -> int:
    amount = entry["amount"]
    if "fixed" in amount:
        return minor_units(Decimal(amount["fixed"]), rule_set.digits)
    share = Decimal(amount["percent"]) / 100
    return minor_units(Decimal(rule_set.initial_balance).scaleb(-rule_set.digits) * share, rule_set.digits)
