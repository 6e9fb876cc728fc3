"""Challenges: how accounts of an upstream come into the book, and what may become of their run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import audit, plans, rulebooks
from accounts.models import Account, Challenge, ChallengeState, Role, RuleSet, Server, User

CENT = Decimal("0.01")
PUBLIC_ID_LENGTH = 160
DEMO_TRADER = "trader"
MOVES: dict[ChallengeState, frozenset[ChallengeState]] = {  # the state that is reached: from which ones
    ChallengeState.REVIEW: frozenset({ChallengeState.ACTIVE, ChallengeState.PAUSED}),
    ChallengeState.PAUSED: frozenset({ChallengeState.ACTIVE}),
    ChallengeState.ACTIVE: frozenset({ChallengeState.PAUSED}),
    ChallengeState.FAILED: frozenset({ChallengeState.ACTIVE, ChallengeState.PAUSED, ChallengeState.REVIEW}),
}


class ChallengeError(Exception):
    """The challenge's state does not allow what was asked; the message says which."""


@dataclass(frozen=True, slots=True)
class Listing:
    """An account as its upstream lists it; `balance` in account currency."""

    upstream_id: str
    login: str
    group: str
    holder: str
    currency: str
    balance: Decimal


def adopt(
    server: Server,
    *,
    upstream_id: str,
    login: str,
    group: str,
    holder: str,
    currency: str,
    balance: Decimal,
    at: datetime,
) -> Challenge:
    """One account's challenge, made on its first sight; see `adopt_many`."""
    listing = Listing(upstream_id, login, group, holder, currency, balance)
    return adopt_many(server, [listing], at=at)[upstream_id]


def adopt_many(server: Server, listings: Iterable[Listing], *, at: datetime) -> dict[str, Challenge]:
    """The newest challenge of every listed account by upstream id, ended ones included; missing ones are made.

    Safe to repeat and to run twice at once. S is the balance at the first sight; the phase is the one that the
    upstream's group names (`plan/phase`), else the first of RISKDESK_DEFAULT_PLAN. A failed account stays failed:
    only a person starts it anew. Raises ValueError for a balance that is no number.
    """
    by_id = {listing.upstream_id: _checked(listing) for listing in listings}
    with transaction.atomic():
        accounts = _ensure_accounts(server, by_id)
        challenges = _ensure_challenges(accounts, by_id, at)
    if settings.RISKDESK_UPSTREAM.is_simulator:
        claim_first_account(server)
    return challenges


def claim_first_account(server: Server) -> Account | None:
    """Demo only: give the server's first account to the user `trader`, if he exists and owns none."""
    trader = User.objects.filter(username=DEMO_TRADER, role=Role.TRADER, trading_accounts=None).first()
    first = Account.objects.filter(server=server).order_by("pk").first() if trader else None
    if trader is None or first is None:
        return None
    return first if Account.objects.filter(pk=first.pk, trader=None).update(trader=trader) else None


def rule_set_document(challenge: Challenge, at: datetime | None = None) -> dict[str, Any]:
    """The whole document that judges the challenge at `at` (left out: now): S, currency and version filled in, the
    overrides that hold then applied. With `overrides` prefetched it asks nothing of the database.
    """
    return rulebooks.rulebook(challenge, at)


def send_to_review(challenge: Challenge, reason: str) -> Challenge:
    """Hold verdicts until a person decides (an account beyond a floor at adoption)."""
    return _move(challenge, ChallengeState.REVIEW, reason)


def release_from_review(challenge: Challenge, actor: User, reason: str) -> Challenge:
    """Judge the challenge again; the reason is the person's, and goes to the audit log."""
    if not reason.strip():
        raise ChallengeError("Say why the account is released from review.")
    with transaction.atomic():
        held = _locked(challenge)
        if held.state != ChallengeState.REVIEW:
            raise ChallengeError(f"The challenge is {held.get_state_display().lower()}, not in review.")
        _store(held, ChallengeState.ACTIVE, reason.strip(), None)
        audit.record(actor, "review_released", held.account.public_id, {"reason": reason.strip()})
    return held


def fail(challenge: Challenge, reason: str, at: datetime) -> Challenge:
    """End the challenge by a breach at `at`."""
    return _move(challenge, ChallengeState.FAILED, reason, ended_at=at)


def pause(challenge: Challenge, reason: str) -> Challenge:
    """Stop trading until the next reset."""
    return _move(challenge, ChallengeState.PAUSED, reason)


def resume(challenge: Challenge) -> Challenge:
    """Go on after a pause."""
    return _move(challenge, ChallengeState.ACTIVE, "")


def public_id(text: str) -> str:
    """An id that is safe in a URL: characters outside A-Za-z0-9._- become `-`, and a hash keeps two such ids apart."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", text)
    if safe == text and len(safe) <= PUBLIC_ID_LENGTH and safe.strip("."):
        return safe
    return f"{safe[: PUBLIC_ID_LENGTH - 9].strip('.') or 'account'}-{sha256(text.encode()).hexdigest()[:8]}"


def _checked(listing: Listing) -> Listing:
    if not listing.upstream_id or "\0" in listing.upstream_id:
        raise ValueError(f"account {listing.upstream_id!r}: an id is needed, without NUL")
    if not listing.balance.is_finite():
        raise ValueError(f"account {listing.upstream_id}: the balance {listing.balance} is no number")
    texts = (listing.login, listing.group, listing.holder, listing.currency)
    login, group, holder, currency = (text.replace("\0", "\ufffd") for text in texts)
    return replace(listing, login=login, group=group, holder=holder, currency=currency)


def _ensure_accounts(server: Server, wanted: dict[str, Listing]) -> dict[str, Account]:
    """The accounts by upstream id; each round makes the missing ones, under the next choice of public id."""
    found = {account.upstream_id: account for account in _accounts(server, wanted)}
    _refresh(list(found.values()), wanted)
    for name in ("{id}", "{server}-{id}", "{server}-{id}#{server_pk}"):
        missing = [listing for key, listing in wanted.items() if key not in found]
        if not missing:
            break
        Account.objects.bulk_create(
            [
                Account(
                    public_id=public_id(name.format(id=one.upstream_id, server=server.name, server_pk=server.pk)),
                    server=server,
                    upstream_id=one.upstream_id,
                    login=one.login[:64],
                    group=one.group[:128],
                    holder=one.holder[:200],
                    currency=one.currency[:8] or "USD",
                )
                for one in missing
            ],
            ignore_conflicts=True,  # the same account from another process, or the public id from another server
        )
        found |= {account.upstream_id: account for account in _accounts(server, [one.upstream_id for one in missing])}
    return found


def _accounts(server: Server, upstream_ids: Iterable[str]) -> Iterable[Account]:
    return Account.objects.filter(server=server, upstream_id__in=list(upstream_ids)).select_related("server", "trader")


def _refresh(accounts: list[Account], wanted: dict[str, Listing]) -> None:
    """Follow the upstream's login, group and holder; the challenge stays under the rules that it started with."""
    changed = []
    for account in accounts:
        one = wanted[account.upstream_id]
        told = (one.login[:64], one.group[:128], one.holder[:200])
        if told != (account.login, account.group, account.holder):
            account.login, account.group, account.holder = told
            changed.append(account)
    Account.objects.bulk_update(changed, ["login", "group", "holder"], batch_size=1000)


def _ensure_challenges(accounts: dict[str, Account], wanted: dict[str, Listing], at: datetime) -> dict[str, Challenge]:
    found = _newest_challenges(accounts)
    missing = {key: account for key, account in accounts.items() if key not in found}
    if missing:
        rule_sets = _rule_sets({wanted[key].group for key in missing})
        Challenge.objects.bulk_create(
            [
                _new_challenge(account, wanted[key], rule_sets[wanted[key].group], at)
                for key, account in missing.items()
            ],
            ignore_conflicts=True,  # another process was quicker: its challenge is the one
        )
        found |= _newest_challenges(missing)
    return found


def _newest_challenges(accounts: dict[str, Account]) -> dict[str, Challenge]:
    rows = (
        Challenge.objects.filter(account__in=accounts.values())
        .select_related("account__server", "account__trader", "rule_set__phase__plan")
        .order_by("account_id", "-started_at", "-pk")
        .distinct("account_id")
    )
    return {challenge.account.upstream_id: challenge for challenge in rows}


def _rule_sets(groups: set[str]) -> dict[str, RuleSet]:
    named = {group: plans.rule_set_of_group(group) for group in groups}
    default = plans.default_rule_set() if None in named.values() else None
    return {group: rule_set for group, found in named.items() if (rule_set := found or default)}


def _new_challenge(account: Account, listing: Listing, rule_set: RuleSet, at: datetime) -> Challenge:
    initial = listing.balance.quantize(CENT, ROUND_HALF_UP)
    empty = initial <= 0  # limits in percent of nothing judge nothing
    return Challenge(
        account=account,
        rule_set=rule_set,
        initial_balance=initial,
        state=ChallengeState.REVIEW if empty else ChallengeState.ACTIVE,
        state_reason=f"The balance at adoption was {initial}: set the initial balance." if empty else "",
        started_at=at,
    )


def _move(challenge: Challenge, state: ChallengeState, reason: str, ended_at: datetime | None = None) -> Challenge:
    """Change the state once: asking for the state that is there changes nothing."""
    with transaction.atomic():
        held = _locked(challenge)
        if held.state == state:
            return held
        if held.state not in MOVES[state]:
            raise ChallengeError(
                f"A challenge that is {held.get_state_display().lower()} cannot become {state.label.lower()}."
            )
        _store(held, state, reason, ended_at)
        audit.record("RiskDesk", f"challenge_{state.value}", held.account.public_id, {"reason": reason})
    return held


def _locked(challenge: Challenge) -> Challenge:
    return Challenge.objects.select_for_update(of=("self",)).select_related("account", "rule_set").get(pk=challenge.pk)


def _store(challenge: Challenge, state: ChallengeState, reason: str, ended_at: datetime | None) -> None:
    challenge.state, challenge.state_reason, challenge.ended_at = state, reason, ended_at
    challenge.save(update_fields=["state", "state_reason", "ended_at"])
