"""Overrides over the API: one call sets or ends one for one account or many."""

from __future__ import annotations

from datetime import datetime

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja import Router

from accounts import overrides
from accounts.api.auth import allowed
from accounts.api.shapes import OverrideAsked, OverrideOut
from accounts.models import Account, RuleOverride
from accounts.overrides import OverrideError, holds
from accounts.permissions import access_override

router = Router(tags=["overrides"])


@router.post("", response=list[OverrideOut], summary="Set or end an override for one account or many")
def change(request: HttpRequest, asked: OverrideAsked) -> list[OverrideOut]:
    """All accounts or none. 409: an account has no running challenge, or there is nothing to end."""
    user = allowed(request, access_override)
    accounts = _accounts(asked.accounts)
    if asked.action == "end":
        _only_for_setting(asked)
        held = _open(accounts, asked)
        done = overrides.end_overrides(held, user, asked.reason, request=request)
    else:
        if (asked.action == "set") is (asked.replacement is None):
            said = "give the rule that takes the place" if asked.action == "set" else "an exemption has none"
            raise OverrideError([("replacement", said)])
        done = overrides.set_overrides(
            accounts, asked.rule, asked.ordinal, asked.replacement, user, asked.reason, asked.ends_at, request=request
        )
    now = timezone.now()
    return [shape(one, now) for one in done]


def shape(one: RuleOverride, now: datetime) -> OverrideOut:
    """The override as the API tells it."""
    return OverrideOut(
        id=one.pk,
        account=one.challenge.account.public_id,
        rule=one.rule,
        ordinal=one.ordinal,
        replacement=one.replacement,
        reason=one.reason,
        author=one.author.username,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        ended_by=one.ended_by.username if one.ended_by else None,
        end_reason=one.end_reason,
        holds=holds(one, now, one.challenge.ended_at),
    )


def _accounts(public_ids: list[str]) -> list[Account]:
    """The accounts in the order asked for, each once; a 404 names those that do not exist."""
    wanted = list(dict.fromkeys(public_ids))
    askable = [one for one in wanted if "\0" not in one]
    found = {one.public_id: one for one in Account.objects.filter(public_id__in=askable).select_related("server")}
    if missing := [one for one in wanted if one not in found]:
        raise Http404(f"There is no account {', '.join(repr(one) for one in missing[:20])}.")
    return [found[one] for one in wanted]


def _only_for_setting(asked: OverrideAsked) -> None:
    given = [name for name in ("replacement", "ends_at") if getattr(asked, name) is not None]
    if given:
        raise OverrideError([(name, "belongs to set, not to end") for name in given])


def _open(accounts: list[Account], asked: OverrideAsked) -> list[RuleOverride]:
    now = timezone.now()
    rows = RuleOverride.objects.filter(
        challenge__account__in=accounts, challenge__ended_at=None, rule=_plain(asked.rule), ordinal=asked.ordinal
    ).select_related("challenge__account", "author")
    found = {one.challenge.account_id: one for one in rows.filter(ended_at=None) if holds(one, now)}
    if missing := [one for one in accounts if one.pk not in found]:
        raise OverrideError(
            [(one.public_id, f"has no override of {asked.rule} to end") for one in missing], conflict=True
        )
    return list(found.values())


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")
