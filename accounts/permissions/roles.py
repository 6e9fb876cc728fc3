"""Who may see and do what: `access_*` raise AccessRefused with a reason in plain words, `may_*` answer yes or no."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.models import Account, Role, User

AnyUser = User | AnonymousUser

WATCHES_DESK = frozenset({Role.RISK_OFFICER, Role.HEAD_OF_RISK, Role.AUDITOR})
ACTS_ON_DESK = frozenset({Role.RISK_OFFICER, Role.HEAD_OF_RISK})


class AccessRefused(PermissionDenied):
    """The user may not; `reason` says why in words that he may read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def access_desk(user: AnyUser) -> None:
    """The desk, the wall and every account: risk officers, the head of risk, auditors."""
    _require(user, WATCHES_DESK, "The desk is for the risk team.")


def access_feeds(user: AnyUser) -> None:
    """The state of the upstreams: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The feeds are for the risk team.")


def access_alerts(user: AnyUser) -> None:
    """The alert queue: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The alerts are for the risk team.")


def access_audit(user: AnyUser) -> None:
    """The audit log: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The audit log is for the risk team.")


def access_plans(user: AnyUser) -> None:
    """Plans and rule sets, to read: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The plans are for the risk team.")


def access_lab(user: AnyUser) -> None:
    """Runs of the rule lab, to read: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The rule lab is for the risk team.")


def access_run_lab(user: AnyUser) -> None:
    """To start and cancel runs of the rule lab: risk officers and the head of risk."""
    _require(user, ACTS_ON_DESK, "Only risk officers and the head of risk may run the rule lab.")


def access_change_plans(user: AnyUser) -> None:
    """To make plans, publish versions and move running challenges to them: the head of risk."""
    _require(user, {Role.HEAD_OF_RISK}, "Only the head of risk may change plans.")


def access_override(user: AnyUser) -> None:
    """To set rules of single accounts apart from their plan: risk officers and the head of risk."""
    _require(user, ACTS_ON_DESK, "Only risk officers and the head of risk may override rules.")


def access_calendar(user: AnyUser) -> None:
    """The calendar of news and holidays, to read: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The calendar is for the risk team.")


def access_calendar_change(user: AnyUser) -> None:
    """To import news and holidays: risk officers and the head of risk."""
    _require(user, ACTS_ON_DESK, "Only risk officers and the head of risk may change the calendar.")


def access_symbols(user: AnyUser) -> None:
    """The servers' tables of symbols, to read: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The tables of symbols are for the risk team.")


def access_symbols_change(user: AnyUser) -> None:
    """To set what a server's symbols are called: risk officers and the head of risk."""
    _require(user, ACTS_ON_DESK, "Only risk officers and the head of risk may change names of symbols.")


def access_tokens(user: AnyUser) -> None:
    """To give other systems access to the API and to end it: the head of risk."""
    _require(user, {Role.HEAD_OF_RISK}, "Only the head of risk may give access to the API.")


def access_api_docs(user: AnyUser) -> None:
    """What the API can do, to read: whoever may see the desk."""
    _require(user, WATCHES_DESK, "The API's pages are for the risk team.")


def access_own_accounts(user: AnyUser) -> None:
    """A trader's own page."""
    _require(user, {Role.TRADER}, "This page is for traders; the risk team works on the desk.")


def access_acknowledge(user: AnyUser) -> None:
    """To acknowledge alerts and breaches and to decide reviews: risk officers and the head, not auditors."""
    _require(user, ACTS_ON_DESK, "Only risk officers and the head of risk may do this.")


def access_enforcement(user: AnyUser) -> None:
    """To switch a server between live and dry run: the head of risk."""
    _require(user, {Role.HEAD_OF_RISK}, "Only the head of risk may switch enforcement.")


def access_admin(user: AnyUser) -> None:
    """Django's admin site: the head of risk. What he may change there is in his permissions as Django keeps them."""
    _require(user, {Role.HEAD_OF_RISK}, "The admin site is for the head of risk.")


def access_account(user: AnyUser, public_id: str) -> Account:
    """The account, if the user may see it: a trader his own, the risk team all.

    A trader is refused an unknown account and another's alike; for the risk team an unknown one is a 404.
    """
    _require(user, frozenset(Role), "Sign in to see accounts.")
    found = Account.objects.select_related("server", "trader").filter(public_id=_asked(public_id)).first()
    if user.is_authenticated and user.role in WATCHES_DESK:
        if found is None:
            raise Http404(f"There is no account {public_id}.")
        return found
    if found is None or found.trader_id != user.pk:
        raise AccessRefused("You can only open your own accounts.")
    return found


def may_acknowledge(user: AnyUser) -> bool:
    """Whether to show what `access_acknowledge` lets through."""
    return role_of(user) in ACTS_ON_DESK


def may_change_plans(user: AnyUser) -> bool:
    """Whether to show what `access_change_plans` lets through."""
    return role_of(user) == Role.HEAD_OF_RISK


def may_run_lab(user: AnyUser) -> bool:
    """Whether to show what `access_run_lab` lets through."""
    return role_of(user) in ACTS_ON_DESK


def may_override(user: AnyUser) -> bool:
    """Whether to show what `access_override` lets through."""
    return role_of(user) in ACTS_ON_DESK


def may_change_calendar(user: AnyUser) -> bool:
    """Whether to show what `access_calendar_change` lets through."""
    return role_of(user) in ACTS_ON_DESK


def may_change_symbols(user: AnyUser) -> bool:
    """Whether to show what `access_symbols_change` lets through."""
    return role_of(user) in ACTS_ON_DESK


def may_give_tokens(user: AnyUser) -> bool:
    """Whether to show what `access_tokens` lets through."""
    return role_of(user) == Role.HEAD_OF_RISK


def may_enforce_server(user: AnyUser) -> bool:
    """Whether to show what `access_enforcement` lets through."""
    return role_of(user) == Role.HEAD_OF_RISK


def may_admin(user: AnyUser) -> bool:
    """Whether `access_admin` lets through."""
    return role_of(user) == Role.HEAD_OF_RISK


def may_watch_desk(role: str) -> bool:
    """For sockets, without the ORM: whether the role sees the desk."""
    return role in WATCHES_DESK


def may_watch_own_accounts(role: str) -> bool:
    """For sockets, without the ORM: whether the role has a page of its own accounts."""
    return role == Role.TRADER


def may_watch_account(role: str, user_id: int, trader_id: int | None) -> bool:
    """For sockets, without the ORM: whether the user sees an account that `trader_id` owns."""
    return role in WATCHES_DESK or (role == Role.TRADER and trader_id is not None and trader_id == user_id)


def role_of(user: AnyUser) -> str:
    """The role, empty for who is not signed in or switched off."""
    return user.role if user.is_authenticated and user.is_active else ""


def _require(user: AnyUser, roles: Collection[str], reason: str) -> None:
    if role_of(user) not in roles:
        raise AccessRefused(reason)


def _asked(public_id: str) -> str:
    """An id from a URL; PostgreSQL refuses NUL, and no account has it."""
    return public_id.replace("\0", "\ufffd")
