"""Overrides: one rule of one account set apart from its plan: tighter, looser, additional, or not applied at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit, rulebooks, servers
from accounts.models import Account, Challenge, RuleOverride, User
from accounts.refusals import Complaint, Refusal, reason_errors, storable_errors
from accounts.rulebooks import active, holds

MOST_AT_ONCE = 20_000
LAST_YEAR = 2100  # of an end date: what lies beyond the calendar's last year nobody can read again
PASSED = "Its end date."
__all__ = [
    "OverrideError",
    "Wanted",
    "active",
    "end_override",
    "end_overrides",
    "holds",
    "may_end",
    "set_override",
    "set_overrides",
]


class OverrideError(Refusal):
    """The override cannot be set or ended; `errors` lists (path, message), for many below the account's id."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an override says; `replacement` None: the rule does not apply. It ends by itself at `ends_at`."""

    rule: str
    ordinal: int
    replacement: Mapping[str, Any] | None
    reason: str
    ends_at: datetime | None = None


def set_override(
    account: Account,
    rule: str,
    ordinal: int,
    replacement: Mapping[str, Any] | None,
    actor: User,
    reason: str,
    ends_at: datetime | None = None,
    at: datetime | None = None,
    *,
    request: HttpRequest | None = None,
) -> RuleOverride:
    """Set one rule of the account's running challenge apart from now on; an open override of that rule is ended.

    `ordinal` counts the plan's rules of that name from 0; the next number adds one. OverrideError lists what is wrong.
    """
    try:
        return set_overrides([account], rule, ordinal, replacement, actor, reason, ends_at, at, request=request)[0]
    except OverrideError as error:
        prefix = f"{account.public_id}."
        plain = [(path.removeprefix(prefix).removeprefix(account.public_id), text) for path, text in error.errors]
        raise OverrideError(plain, conflict=error.conflict) from error


def set_overrides(
    accounts: Sequence[Account],
    rule: str,
    ordinal: int,
    replacement: Mapping[str, Any] | None,
    actor: User,
    reason: str,
    ends_at: datetime | None = None,
    at: datetime | None = None,
    *,
    request: HttpRequest | None = None,
) -> list[RuleOverride]:
    """As `set_override` for many accounts, all or none; errors are by account ("acc_7.lots")."""
    wanted = Wanted(rule, ordinal, _with_name(replacement, rule), reason.strip(), ends_at)
    if errors := _shape_errors(wanted, replacement, at or timezone.now(), len(accounts)):
        raise OverrideError(errors)
    wanted = replace(wanted, ends_at=ends_at and ends_at.astimezone(UTC))
    with transaction.atomic():
        challenges = _running(accounts)
        instant = at or timezone.now()  # only now: whoever held them meanwhile was there before
        if ends_at is not None and ends_at <= instant:
            raise OverrideError([("ends_at", "lies in the past: other changes of these accounts took that long")])
        errors, missing = [], False
        checked: dict[str, list[Complaint]] = {}
        for account in accounts:
            challenge = challenges.get(account.pk)
            if challenge is None:
                missing = True
                errors.append((account.public_id, "has no running challenge"))
            else:
                errors += [
                    (f"{account.public_id}.{path}" if path else account.public_id, message)
                    for path, message in _checked(checked, challenge, wanted, instant)
                ]
        if errors:
            raise OverrideError(errors, conflict=missing)
        return _store(list(challenges.values()), wanted, actor, instant, request)


def end_override(
    override: RuleOverride,
    actor: User,
    reason: str,
    at: datetime | None = None,
    *,
    request: HttpRequest | None = None,
) -> RuleOverride:
    """Back to the plan's rule from now on; OverrideError when it has ended already."""
    return end_overrides([override], actor, reason, at, request=request)[0]


def end_overrides(
    overrides: Iterable[RuleOverride],
    actor: User,
    reason: str,
    at: datetime | None = None,
    *,
    request: HttpRequest | None = None,
) -> list[RuleOverride]:
    """As `end_override` for many, all or none."""
    if errors := reason_errors(reason):
        raise OverrideError(errors)
    keys = {one.pk for one in overrides}
    with transaction.atomic():
        list(Challenge.objects.select_for_update().filter(overrides__in=keys).order_by("pk"))
        held = list(
            RuleOverride.objects.select_for_update(of=("self",))
            .filter(pk__in=keys)
            .select_related("challenge__account__server", "challenge__rule_set", "author")
            .prefetch_related("challenge__overrides")
            .order_by("pk")
        )
        instant = at or timezone.now()
        over = [(one.challenge.account.public_id, why) for one in held if (why := _why_not_to_end(one, instant))]
        if over or len(held) < len(keys):
            raise OverrideError(over or "There is no such override.", conflict=True)
        if errors := _errors_without(held, instant):
            raise OverrideError(errors, conflict=True)
        _end_all(held, actor, reason.strip(), instant)
        _tell(held, actor, "override_ended", {"reason": reason.strip()}, request)
    return held


def _shape_errors(wanted: Wanted, given: Mapping[str, Any] | None, at: datetime, accounts: int) -> list[Complaint]:
    """What is wrong with an override whatever the account."""
    errors = reason_errors(wanted.reason)
    if not isinstance(wanted.rule, str) or not wanted.rule or len(wanted.rule) > 40 or "\0" in wanted.rule:
        errors.append(("rule", "must be a rule's name"))
    if isinstance(wanted.ordinal, bool) or not isinstance(wanted.ordinal, int) or not 0 <= wanted.ordinal <= 100:
        errors.append(("ordinal", "must be a whole number from 0 on: 0 is the plan's first rule of that name"))
    raw: object = given
    if raw is not None and not isinstance(raw, Mapping):
        errors.append(("replacement", "must be a rule as in a document, or null"))
    elif given is not None:
        errors += storable_errors(dict(given))
        if given.get("rule", wanted.rule) != wanted.rule:
            errors.append(("rule", f"the replacement is a {given['rule']!r:.40}, not a {wanted.rule}"))
    if wanted.ends_at is not None and wanted.ends_at.tzinfo is None:
        errors.append(("ends_at", "must say its zone, like 2026-12-01T00:00:00Z"))
    elif wanted.ends_at is not None and wanted.ends_at.year > LAST_YEAR:
        errors.append(("ends_at", "lies too far ahead: leave it out where there is no end"))
    elif wanted.ends_at is not None and wanted.ends_at <= at:
        errors.append(("ends_at", "lies in the past"))
    if not 1 <= accounts <= MOST_AT_ONCE:
        errors.append(("accounts", f"name 1 to {MOST_AT_ONCE} accounts"))
    return errors


def _checked(known: dict[str, list[Complaint]], challenge: Challenge, wanted: Wanted, at: datetime) -> list[Complaint]:
    """As `_challenge_errors`; accounts under the same rules with the same S are checked once."""
    key = rulebooks.likeness(challenge, active(challenge, at))
    if key not in known:
        known[key] = _challenge_errors(challenge, wanted, at)
    return known[key]


def _challenge_errors(challenge: Challenge, wanted: Wanted, at: datetime) -> list[Complaint]:
    """What is against it on this challenge: its place, or a whole rulebook that the engine would not take."""
    document = rulebooks.document_of(challenge)
    holding = active(challenge, at)
    others = [one for one in holding if (one.rule, one.ordinal) != (wanted.rule, wanted.ordinal)]
    has = sum(rule.get("rule") == wanted.rule for rule in document["rules"])
    added = {one.ordinal for one in others if one.rule == wanted.rule and one.ordinal >= has}
    if wanted.replacement is None and wanted.ordinal >= has:
        return [("ordinal", f"the plan has {_times(has, wanted.rule)}: there is nothing to leave out")]
    if wanted.ordinal > has + len(added) and len(others) == len(holding):  # one that holds there may be renewed
        free = next(number for number in range(has, has + len(added) + 1) if number not in added)
        return [("ordinal", f"the plan has {_times(has, wanted.rule)}: a further one has number {free}")]
    mine = RuleOverride(
        rule=wanted.rule, ordinal=wanted.ordinal, replacement=wanted.replacement, ends_at=wanted.ends_at
    )
    errors = rulebooks.errors_to_come(document, [*others, mine], at)
    rules = rulebooks.effective(document, [*others, mine])["rules"]
    return [_at_the_rule(path, message, rules, wanted) for path, message in errors]


def _errors_without(ended: list[RuleOverride], at: datetime) -> list[Complaint]:
    """What is against going on without these: an override that stays may need one of them."""
    gone, known = {one.pk for one in ended}, dict[str, list[Complaint]]()
    errors: list[Complaint] = []
    for challenge in {one.challenge_id: one.challenge for one in ended}.values():
        left = [one for one in active(challenge, at) if one.pk not in gone]
        key = rulebooks.likeness(challenge, left)
        if key not in known:
            known[key] = rulebooks.errors_to_come(rulebooks.document_of(challenge), left, at) if left else []
        who = challenge.account.public_id
        errors += [(f"{who}.{path}" if path else who, message) for path, message in known[key]]
    return errors


def _at_the_rule(path: str, message: str, rules: list[Any], wanted: Wanted) -> Complaint:
    """An error in the replacement bears the path within it; one elsewhere its path in the rulebook."""
    for index in reversed(range(len(rules))):
        if rules[index] == wanted.replacement:
            prefix = f"rules[{index}]"
            if path == prefix or path.startswith(f"{prefix}."):
                return path.removeprefix(prefix).removeprefix(".") or "replacement", message
    return path, message


def _running(accounts: Sequence[Account]) -> dict[int, Challenge]:
    """The running challenge of each account, held until the transaction ends."""
    rows = (
        Challenge.objects.select_for_update(of=("self",))
        .filter(account__in=[account.pk for account in accounts], ended_at=None)
        .select_related("account")
        .prefetch_related("account__server", "rule_set__phase__plan", "overrides")  # few rows, shared by many
        .order_by("pk")
    )
    return {challenge.account_id: challenge for challenge in rows}


def _store(
    challenges: list[Challenge], wanted: Wanted, actor: User, at: datetime, request: HttpRequest | None
) -> list[RuleOverride]:
    place = (wanted.rule, wanted.ordinal)
    _end_all(
        [
            one
            for challenge in challenges
            for one in challenge.overrides.all()
            if (one.rule, one.ordinal) == place and one.ended_at is None
        ],
        actor,
        f"Replaced: {wanted.reason}",
        at,
    )
    made = RuleOverride.objects.bulk_create(
        [
            RuleOverride(
                challenge=challenge,
                rule=wanted.rule,
                ordinal=wanted.ordinal,
                replacement=wanted.replacement,
                reason=wanted.reason,
                author=actor,
                starts_at=at,
                ends_at=wanted.ends_at,
            )
            for challenge in challenges
        ],
        batch_size=1000,
    )
    detail = {
        "replacement": wanted.replacement if wanted.replacement is not None else "does not apply",
        "reason": wanted.reason,
        "ends_at": wanted.ends_at.isoformat() if wanted.ends_at else None,
    }
    _tell(made, actor, "override_set", detail, request)
    return made


def _end_all(overrides: list[RuleOverride], actor: User, reason: str, at: datetime) -> None:
    """Close them; one whose end date has passed ended then. One statement for all that end alike."""
    alike: dict[tuple[datetime, bool], list[int]] = {}
    for one in overrides:
        passed = one.ends_at is not None and one.ends_at <= at
        ended = one.ends_at if passed and one.ends_at else max(at, one.starts_at)
        one.ended_at, one.ended_by, one.end_reason = ended, None if passed else actor, PASSED if passed else reason
        alike.setdefault((ended, passed), []).append(one.pk)
    for (ended, passed), keys in alike.items():
        RuleOverride.objects.filter(pk__in=keys).update(
            ended_at=ended, ended_by=None if passed else actor, end_reason=PASSED if passed else reason
        )


def _tell(
    overrides: list[RuleOverride], actor: User, verb: str, detail: Mapping[str, Any], request: HttpRequest | None
) -> None:
    """The audit entries, one an account, and word to the monitors."""
    targets = [
        (one.challenge.account.public_id, {"rule": one.rule, "ordinal": one.ordinal, **detail}) for one in overrides
    ]
    audit.record_many(actor, verb, targets, request)
    for name in sorted({one.challenge.account.server.name for one in overrides}):
        servers.book_changed(name)


def may_end(override: RuleOverride, at: datetime) -> bool:
    """Whether somebody may end it."""
    return not _why_not_to_end(override, at)


def _why_not_to_end(override: RuleOverride, at: datetime) -> str:
    if override.challenge.ended_at is not None:
        return "the challenge has ended: the rules that it ended under stay"
    over = override.ended_at is not None or (override.ends_at is not None and override.ends_at <= at)
    return f"the override of {override.rule} has ended already" if over else ""


def _with_name(replacement: Mapping[str, Any] | None, rule: str) -> Mapping[str, Any] | None:
    return {**replacement, "rule": rule} if isinstance(replacement, Mapping) else replacement


def _times(number: int, rule: str) -> str:
    return f"no {rule}" if number == 0 else f"{number} {rule}"
