"""The book as the live path reads it, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from django.db import DatabaseError, connection

from accounts import challenges, overrides, plans, rulebooks
from accounts.models import AuditEntry, Challenge, EnforcementMode, Role, Server, User
from monitoring.engine.messages import AccountFigures, Resync
from monitoring.engine.ruleset.model import MaxPositions
from monitoring.live.rulesets import Book

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
T = TypeVar("T")
BLOCK = """
CREATE FUNCTION block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cut off'; END $$;
CREATE TRIGGER block BEFORE UPDATE ON accounts_challenge FOR EACH ROW EXECUTE FUNCTION block();
"""
UNBLOCK = "DROP TRIGGER block ON accounts_challenge; DROP FUNCTION block();"


def with_book(work: Callable[[Book], Coroutine[Any, Any, T]], kind: str = "fxsocket") -> T:
    """Run `work` on a book of the server main."""

    async def run() -> T:
        book = Book("main", kind)
        try:
            return await work(book)
        finally:
            book.close()

    return asyncio.run(run())


def listing(account_id: str, balance: float, equity: float, status: str = "connected") -> Resync:
    figures = AccountFigures(balance, equity, currency="USD", status=status)
    return Resync(account_id=account_id, ts=AT, data=figures, positions=())


@pytest.mark.parametrize(("first", "then"), [("simulator", "fxsocket"), ("fxsocket", "simulator")])
def test_a_mode_chosen_for_one_upstream_does_not_hold_for_another(first: str, then: str, settings: Any) -> None:
    """Live on the simulator, then the environment names a real upstream: nothing is closed until somebody says so."""
    settings.RISKDESK_ENFORCEMENT = "dry_run"
    Server.objects.create(name="main", kind=first, enforcement=EnforcementMode.LIVE)
    assert with_book(lambda book: book.mode(), then) == "dry_run"
    assert AuditEntry.objects.get(verb="server_changed").detail["from"] == first
    Server.objects.update(enforcement=EnforcementMode.LIVE)
    assert with_book(lambda book: book.mode(), then) == "live"


def test_an_adoption_that_is_cut_off_before_its_review_leaves_nothing(settings: Any) -> None:
    """Else the next start would find a running challenge beyond its floor, and close it."""
    plans.ensure_default_plans()
    late = [listing("acc_late", 100_000.0, 80_000.0)]
    with connection.cursor() as cursor:
        cursor.execute(BLOCK)
    try:
        with pytest.raises(DatabaseError, match="cut off"):
            with_book(lambda book: book.adopt(late, AT))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(UNBLOCK)
    assert not Challenge.objects.filter(state="active").exists()
    entries = with_book(lambda book: book.adopt(late, datetime(2026, 11, 20, 10, 1, tzinfo=UTC)))
    assert entries["acc_late"].in_review


@pytest.mark.parametrize("status", ["connected", "connecting", "disconnected", "error"])
def test_who_is_beyond_a_floor_at_adoption_goes_to_review_also_while_offline(status: str) -> None:
    """Judged later, when it is back, it would be closed for what it brought along."""
    plans.ensure_default_plans()
    late = [listing("acc_late", 100_000.0, 80_000.0, status), listing("acc_well", 100_000.0, 95_000.0, status)]
    entries = with_book(lambda book: book.adopt(late, AT))
    assert (entries["acc_late"].in_review, entries["acc_well"].in_review) == (True, False)


def test_a_challenge_stays_under_what_it_failed_by() -> None:
    """Its override's end date is no change of rules any more; one that had ended before the breach stays ended."""
    officer = User.objects.create_user("risk", role=Role.RISK_OFFICER)
    plans.ensure_default_plans()
    with_book(lambda book: book.adopt([listing("acc_1", 100_000.0, 100_000.0)], AT - timedelta(days=9)))
    challenge = Challenge.objects.select_related("account").get()
    now = datetime.now(UTC)
    for positions, end in ((3, now - timedelta(hours=3)), (5, now - timedelta(hours=1))):
        more = {"positions": positions}
        overrides.set_override(challenge.account, "max_positions", 0, more, officer, "r", end, end - timedelta(hours=1))
    challenges.fail(challenge, "6 positions", now - timedelta(hours=1, minutes=30))
    entry = with_book(lambda book: book.load())["acc_1"]
    assert [rule.positions for rule in entry.rule_set.others if isinstance(rule, MaxPositions)] == [5]
    assert entry.overridden


def test_accounts_set_apart_alike_have_their_rules_in_one_order() -> None:
    """The order in which they were set apart is nobody's: pages find an account's figures by a rule's place."""
    officer = User.objects.create_user("risk", role=Role.RISK_OFFICER)
    plans.ensure_default_plans()
    with_book(lambda book: book.adopt([listing(one, 100_000.0, 100_000.0) for one in ("acc_1", "acc_2")], AT))
    more: list[tuple[str, dict[str, Any]]] = [
        ("max_positions", {"positions": 3}),
        ("max_lots_total", {"lots": "3", "count": "net"}),
    ]
    for challenge, order in zip(Challenge.objects.order_by("pk"), (more, more[::-1]), strict=True):
        for rule, replacement in order:
            overrides.set_override(challenge.account, rule, 0, replacement, officer, "r")
    entries = with_book(lambda book: book.load())
    for challenge in Challenge.objects.select_related("account"):
        judged = [rule.rule for rule in entries[challenge.account.upstream_id].rule_set.rules]
        assert judged == [rule["rule"] for rule in rulebooks.rulebook(challenge)["rules"]]
