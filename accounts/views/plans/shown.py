"""Rule sets as these pages show them: sentences, worked examples, differences, and who is judged by which version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from json import dumps
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q
from django.http import Http404, HttpRequest
from django.utils.text import capfirst

from accounts import plans, presets
from accounts.models import Challenge, Phase, RuleSet, User
from accounts.plan_forms import RULES
from accounts.plan_forms.specs import GENERAL
from accounts.plan_forms.values import MOST_RULES
from monitoring.engine.rules.examples import Example, worked_example
from monitoring.engine.ruleset import RuleSet as Compiled
from monitoring.engine.ruleset import RuleSetError, parse_rule_set
from monitoring.engine.ruleset.compare import Difference, differences
from monitoring.engine.ruleset.normal import normal
from monitoring.engine.ruleset.phrases import LABELS, value_words
from monitoring.engine.ruleset.sentences import title_of

RUNNING = Q(ended_at=None)
OPERATORS = {"<": "falls below the floor", "<=": "falls to or below the floor"}
SIZE = "100000.00"
FALLBACK = {"reset": {"time": "00:00", "zone": "UTC"}}  # to show a rule by, while the general part is wrong


@dataclass(frozen=True, slots=True)
class Sample:
    """The account that examples are worked out for."""

    size: str = SIZE
    currency: str = "USD"

    @property
    def brought(self) -> dict[str, Any]:
        """What it brings to a document, as each challenge does."""
        return {"version": 1, "currency": self.currency, "initial_balance": self.size}


@dataclass(frozen=True, slots=True)
class RuleShown:
    """One rule in words; `example` None and `sentence` empty while it is wrong."""

    index: int
    name: str
    title: str
    sentence: str = ""
    operator: str = ""
    example: Example | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """How many challenges a version judges."""

    running: int
    ended: int


def sample_of(request: HttpRequest, phase: Phase | None = None) -> Sample:
    """The size asked for, else the commonest among those that run under the phase, else its preset's, else 100,000."""
    asked = request.GET.get("size", "").replace(",", "").strip()
    currency = request.GET.get("currency", "").strip().upper()
    size = SIZE
    if phase is not None:
        preset = presets.find(phase.plan.preset)
        size = preset.size if preset else size
        running = Challenge.objects.filter(RUNNING, rule_set__phase=phase)
        sizes = running.values("initial_balance", "account__currency").annotate(n=Count("pk"))
        common = sizes.order_by("-n", "initial_balance").first()
        if common and common["initial_balance"] > 0:
            size, currency = f"{common['initial_balance']:f}", currency or common["account__currency"]
    try:
        if asked and 1 <= (wanted := Decimal(asked)) < 10**12:
            size = f"{wanted.quantize(Decimal('0.01')):f}"
    except InvalidOperation:
        pass  # no number: the field shows what is worked out for instead
    known = len(currency) in range(3, 6) and currency.isascii() and currency.isalpha()
    return Sample(size, currency if known else "USD")


def compiled(document: Mapping[str, Any], sample: Sample = Sample()) -> Compiled:  # frozen
    """The document compiled for the sample account; raises RuleSetError."""
    return parse_rule_set({**document, **sample.brought})


def general_shown(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What holds for all rules, in words, what is left out included: when a day starts, who is warned when, …"""
    whole = normal({key: value for key, value in document.items() if key != "rules"})
    heads = dict.fromkeys(spec.path.partition(".")[0] for spec in GENERAL)
    return [(capfirst(LABELS[key]), value_words(key, whole[key])) for key in heads if key in whole]


def rules_shown(document: Mapping[str, Any], sample: Sample) -> list[RuleShown]:
    """Every rule in words; while the document is wrong, each rule that is right by itself."""
    entries = document.get("rules", [])
    entries = entries if isinstance(entries, list) else []
    try:
        whole: Compiled | None = compiled(document, sample)
    except RuleSetError:
        whole = None
    return [_rule(document, index, entry, sample, whole) for index, entry in enumerate(entries)]


def _rule(document: Mapping[str, Any], index: int, entry: Any, sample: Sample, whole: Compiled | None) -> RuleShown:
    name = entry.get("rule") if isinstance(entry, Mapping) else None
    if not isinstance(name, str) or name not in RULES:
        return RuleShown(index, str(name or ""), "Unknown rule")
    title = title_of(entry)
    if index >= MOST_RULES:
        return RuleShown(index, name, title)  # too many to be played one by one
    place = index
    if whole is None:
        whole, place = _alone(document, entry, sample), 0
    if whole is None:
        return RuleShown(index, name, title)
    found = next(rule for rule in whole.rules if rule.index == place)
    operator = OPERATORS.get(getattr(found, "operator", ""), "")
    return RuleShown(index, name, title, whole.sentence(found), operator, worked_example(whole, place))


def _alone(document: Mapping[str, Any], entry: Any, sample: Sample) -> Compiled | None:
    """One rule under the document's general part, or under a plain one where that is wrong."""
    general = {key: value for key, value in document.items() if key != "rules"}
    for part in (general, FALLBACK):
        try:
            return compiled({**part, "rules": [entry]}, sample)
        except RuleSetError:
            continue
    return None


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[Difference]:
    """What differs, in words; against nothing for a first version. Nothing is told unless both are valid."""
    try:
        compiled(after)
        if before is not None:
            compiled(before)
    except RuleSetError:
        return []
    return list(differences(plans.kept(before or plans.blank_document()), plans.kept(after)))


def digest(document: Mapping[str, Any]) -> str:
    """A short name of exactly what of this document is published."""
    return sha256(dumps(plans.kept(document), sort_keys=True, default=str).encode()).hexdigest()[:16]


def judged(phases: list[Phase]) -> dict[int, Judged]:
    """How many challenges each rule set of these phases judges, by its key."""
    rows = (
        Challenge.objects.filter(rule_set__phase__in=phases)
        .values("rule_set_id")
        .annotate(running=Count("pk", filter=RUNNING), everything=Count("pk"))
    )
    return {row["rule_set_id"]: Judged(row["running"], row["everything"] - row["running"]) for row in rows}


def phase_of(slug: str, phase: str) -> Phase:
    """The phase of an address; Http404 names it."""
    found = (
        Phase.objects.select_related("plan", "draft__author")
        .filter(plan__slug=_asked(slug), slug=_asked(phase))
        .first()
    )
    if found is None:
        raise Http404(f"There is no phase {phase} of a plan {slug}.")
    return found


def newest_of(phase: Phase) -> RuleSet | None:
    """The newest version with its author."""
    return phase.rule_sets.select_related("author").order_by("-version").first()


def desk_link(phase: Phase, version: int | None = None) -> str:
    """The desk with the accounts of this phase only."""
    asked = {"plan": phase.plan.name, "phase": phase.name}
    return f"/desk/?{urlencode({**asked, 'version': str(version)} if version else asked)}"


def by_whom(user: User | None) -> str:
    """A person's name; what RiskDesk did itself has none."""
    return "RiskDesk" if user is None else user.get_full_name() or user.username


def _asked(text: str) -> str:
    return text.replace("\0", "\ufffd")
