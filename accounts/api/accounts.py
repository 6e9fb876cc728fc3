"""Accounts over the API: the rulebook that judges one, and what sets it apart from its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router
from pydantic import AwareDatetime

from accounts import rulebooks
from accounts.api.auth import allowed
from accounts.api.overrides import shape
from accounts.api.shapes import OverrideOut, RulebookOut
from accounts.models import Account, Challenge
from accounts.permissions import access_account
from monitoring.engine.ruleset import RuleSetError, parse_rule_set

router = Router(tags=["accounts"])


@router.get("{account}/rulebook", response=RulebookOut, summary="The rulebook that judges, or judged, the account")
def rulebook(request: HttpRequest, account: str, at: AwareDatetime | None = None) -> RulebookOut:
    """Overrides applied; with `at`, as it was at that instant, by the challenge that ran then."""
    found = access_account(allowed(request), account)
    instant = at or timezone.now()
    ran = Challenge.objects.filter(account=found).select_related("account", "rule_set__phase__plan")
    ran = ran.prefetch_related("overrides__author", "overrides__ended_by", "overrides__challenge__account")
    challenge = (ran.filter(started_at__lte=instant) if at else ran).order_by("-started_at", "-pk").first()
    if challenge is None:
        raise Http404(f"No challenge of {account} ran then.")
    rule_set = rulebooks.rule_set_at(challenge, instant)
    document = rulebooks.rulebook_at(challenge, instant)
    return RulebookOut(
        account=found.public_id,
        plan=rule_set.phase.plan.slug,
        phase=rule_set.phase.slug,
        version=rule_set.version,
        at=instant,
        document=document,
        sentences=_sentences(document),
        overrides=[shape(one, instant) for one in rulebooks.active(challenge, instant)],
    )


def _sentences(document: Mapping[str, Any]) -> list[str]:
    """Each rule in words; none of a document of old that the engine of today would not take."""
    try:
        rule_set = parse_rule_set(document)
    except RuleSetError:
        return []
    return [rule_set.sentence(rule) for rule in rule_set.rules]


@router.get("{account}/overrides", response=list[OverrideOut], summary="Every override of the running challenge")
def overrides(request: HttpRequest, account: str, all_challenges: bool = False) -> list[OverrideOut]:
    """Ended ones too, newest first; with `all_challenges` those of ended challenges as well."""
    found: Account = access_account(allowed(request), account)
    challenges = Challenge.objects.filter(account=found).order_by("-started_at", "-pk")
    wanted = challenges if all_challenges else challenges[:1]
    now = timezone.now()
    return [
        shape(one, now)
        for challenge in wanted
        for one in challenge.overrides.select_related("author", "ended_by", "challenge__account").order_by("-pk")
    ]
