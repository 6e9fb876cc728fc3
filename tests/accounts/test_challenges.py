"""Accounts come into the book once, under the right rules, however often and by however many they are adopted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from accounts import challenges, plans
from accounts.challenges import ChallengeError, Listing, adopt, adopt_many, public_id
from accounts.models import Account, AuditEntry, Challenge, ChallengeState, Role, RuleSet, Server, User
from monitoring.engine.ruleset import parse_rule_set

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def server(db: None) -> Server:
    return Server.objects.create(name="main", kind="fxsocket")


def take(server: Server, upstream_id: str = "acc_1", **changes: Any) -> Challenge:
    told: dict[str, Any] = {"login": "8410001", "group": "", "holder": "A. Novak", "currency": "USD"}
    told |= {"balance": Decimal("100000.00"), "at": AT} | changes
    return adopt(server, upstream_id=upstream_id, **told)


def test_adoption_pins_the_first_phase_of_the_default_plan(server: Server) -> None:
    challenge = take(server)
    assert challenge.rule_set.phase.slug == "phase-1"
    assert challenge.rule_set.phase.plan.slug == "two-step"
    assert challenge.initial_balance == Decimal("100000.00")
    assert challenge.state == ChallengeState.ACTIVE
    assert challenge.account.public_id == "acc_1"


def test_adopting_again_keeps_the_initial_balance_and_follows_the_login(server: Server) -> None:
    first = take(server)
    again = take(server, balance=Decimal("93000"), login="77", group="two-step/funded")
    assert again.pk == first.pk
    assert again.initial_balance == Decimal("100000.00")
    assert (again.account.login, again.rule_set.phase.slug) == ("77", "phase-1")


def test_a_group_that_names_a_phase_starts_there(server: Server) -> None:
    plans.ensure_default_plans()
    assert take(server, group="two-step/funded").rule_set.phase.slug == "funded"
    assert take(server, "acc_2", group="two-step/unknown").rule_set.phase.slug == "phase-1"
    assert take(server, "acc_3", group="real\\retail").rule_set.phase.slug == "phase-1"


def test_the_same_id_on_two_servers_makes_two_accounts(server: Server) -> None:
    other = Server.objects.create(name="second", kind="fxsocket")
    assert take(server).account.public_id == "acc_1"
    assert take(other).account.public_id == "second-acc_1"
    assert take(other).account.public_id == "second-acc_1"


def test_a_public_id_taken_twice_still_finds_a_third(server: Server) -> None:
    other = Server.objects.create(name="second", kind="fxsocket")
    take(server)
    take(server, "second-acc_1")
    assert take(other).account.public_id not in {"acc_1", "second-acc_1"}


@pytest.mark.parametrize("text", ["a/b", "..", ".", "ä", "a b", "x" * 200, "a?b#c", "<script>"])
def test_a_public_id_is_safe_in_a_url(text: str) -> None:
    made = public_id(text)
    assert made.isascii()
    assert made.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert len(made) <= 160
    assert made.strip(".")
    assert made != public_id(text + "!")


def test_a_failed_account_is_not_adopted_afresh(server: Server) -> None:
    challenges.fail(take(server), "equity 94,812.00 fell below the floor 95,000.00", AT)
    again = take(server, balance=Decimal("94812.00"))
    assert again.state == ChallengeState.FAILED
    assert Challenge.objects.count() == 1


def test_an_empty_account_goes_to_review(server: Server) -> None:
    challenge = take(server, balance=Decimal("0"))
    assert challenge.state == ChallengeState.REVIEW
    assert "initial balance" in challenge.state_reason


def test_a_balance_that_is_no_number_is_refused(server: Server) -> None:
    with pytest.raises(ValueError, match="acc_1"):
        take(server, balance=Decimal("NaN"))
    assert not Account.objects.exists()


def test_an_unknown_default_plan_is_named_with_the_known_ones(server: Server, settings: Settings) -> None:
    plans.ensure_default_plans()
    settings.RISKDESK_DEFAULT_PLAN = "three-step"
    with pytest.raises(ImproperlyConfigured, match=r"RISKDESK_DEFAULT_PLAN.*'three-step'.*two-step"):
        take(server)


def test_many_are_adopted_at_once(server: Server) -> None:
    listings = [Listing(f"acc_{n}", str(n), "", "", "USD", Decimal(50_000)) for n in range(300)]
    first = adopt_many(server, listings[:200], at=AT)
    both = adopt_many(server, listings, at=AT)
    assert len(both) == 300
    assert all(both[key].pk == challenge.pk for key, challenge in first.items())


@pytest.mark.django_db(transaction=True)
def test_two_monitors_adopt_one_account() -> None:
    server = Server.objects.create(name="main", kind="fxsocket")
    barrier = Barrier(4)

    def work(_: int) -> int:
        try:
            barrier.wait(10)
            return take(server).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(work, range(4)))
    assert len(made) == 1
    assert (Account.objects.count(), Challenge.objects.count()) == (1, 1)


def test_the_document_carries_what_the_challenge_brings(server: Server) -> None:
    document = challenges.rule_set_document(take(server, currency="EUR"))
    assert (document["version"], document["currency"], document["initial_balance"]) == (1, "EUR", "100000.00")
    assert [rule["rule"] for rule in document["rules"]] == ["daily_loss", "max_loss", "profit_target"]
    assert document["rules"][0]["operator"] == "<"


@pytest.mark.parametrize("phase", ["phase-1", "phase-2", "funded"])
def test_the_engine_reads_every_phase_of_the_default_plan(server: Server, phase: str) -> None:
    document = challenges.rule_set_document(take(server, group=f"two-step/{phase}"))
    rules = parse_rule_set(document)
    assert rules.version == 1
    assert [(rule.rule, rule.operator, rule.consequence) for rule in rules.loss_rules] == [
        ("daily_loss", "<", "fail"),
        ("max_loss", "<", "fail"),
    ]


def test_odd_text_from_an_upstream_keeps_no_account_out(server: Server) -> None:
    account = take(server, login="8\0", group="g" * 300, holder="\0" * 300, currency="\0").account
    account.refresh_from_db()
    assert (account.login, len(account.group), len(account.holder)) == ("8\ufffd", 128, 200)


def test_a_rule_set_in_use_stays_as_it_is(server: Server) -> None:
    rule_set = take(server).rule_set
    rule_set.document = {**rule_set.document, "warn_at": ["0.5"]}
    with pytest.raises(ValidationError, match="new version"):
        rule_set.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        RuleSet.objects.filter(pk=rule_set.pk).update(version=9)


def test_a_rule_set_nobody_uses_may_be_corrected(db: None) -> None:
    plans.ensure_default_plans()
    rule_set = RuleSet.objects.get(phase__slug="funded")
    rule_set.document = {**rule_set.document, "clear_below": "0.70"}
    rule_set.save()
    plans.ensure_default_plans()
    rule_set.refresh_from_db()
    assert rule_set.document["clear_below"] == "0.70"


def test_review_is_ended_by_a_person_with_a_reason(server: Server) -> None:
    officer = User.objects.create_user("risk", role=Role.RISK_OFFICER)
    held = challenges.send_to_review(take(server), "beyond its floor at adoption")
    with pytest.raises(ChallengeError, match="why"):
        challenges.release_from_review(held, officer, "  ")
    freed = challenges.release_from_review(held, officer, "S corrected upstream")
    assert freed.state == ChallengeState.ACTIVE
    entry = AuditEntry.objects.get(verb="review_released")
    assert (entry.actor, entry.target, entry.detail["reason"]) == (officer, "acc_1", "S corrected upstream")
    with pytest.raises(ChallengeError, match="not in review"):
        challenges.release_from_review(held, officer, "once more")


def test_a_pause_ends_and_a_failure_does_not(server: Server) -> None:
    challenge = take(server)
    assert challenges.pause(challenge, "daily loss").state == ChallengeState.PAUSED
    assert challenges.pause(challenge, "daily loss").state == ChallengeState.PAUSED
    assert challenges.resume(challenge).state == ChallengeState.ACTIVE
    failed = challenges.fail(challenge, "max loss", AT)
    assert (failed.state, failed.ended_at) == (ChallengeState.FAILED, AT)
    with pytest.raises(ChallengeError, match="failed"):
        challenges.resume(challenge)


def test_the_demo_trader_owns_the_first_account_only(server: Server) -> None:
    trader = User.objects.create_user("trader", role=Role.TRADER)
    take(server)
    take(server, "acc_2")
    assert list(trader.trading_accounts.values_list("public_id", flat=True)) == ["acc_1"]


def test_nobody_is_given_an_account_of_a_real_upstream(server: Server, settings: Settings) -> None:
    from dataclasses import replace

    settings.RISKDESK_UPSTREAM = replace(settings.RISKDESK_UPSTREAM, is_simulator=False)
    trader = User.objects.create_user("trader", role=Role.TRADER)
    take(server)
    assert not trader.trading_accounts.exists()
