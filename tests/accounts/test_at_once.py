"""Two people change one account at once: one after the other, and the history tells them in that order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import moves, overrides, plans
from accounts.models import Challenge, Phase, Role, RuleOverride, RuleSetDraft, User
from accounts.rulebooks import rule_set_at, rulebook_at
from tests.accounts.book import a_challenge, a_plan, daily_of, newest, phase_of
from tests.accounts.views.sent import sent
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def waits() -> bool:
    """Whether somebody waits for a row that another transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def alone(work: Callable[[], Any]) -> Any:
    """What another thread does, with a connection of its own."""
    try:
        return work()
    finally:
        connection.close()


def while_held(challenge: Challenge, first: Callable[[], Any], second: Callable[[], Any]) -> None:
    """`first` is asked for before `second`, but its row is held until `second` is done."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Challenge.objects.select_for_update().get(pk=challenge.pk)
            asked = pool.submit(alone, first)
            eventually(waits, what="the first waits for the row")
            second()
        asked.result(30)


def test_the_later_of_two_moves_is_the_one_that_judges() -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    challenge, phase = a_challenge(), phase_of()
    two, three = (plans.publish(phase, daily_of(newest(phase).document, share), head, "r") for share in "43")
    while_held(
        challenge,
        lambda: moves.move_challenges([challenge.pk], three, head, "r"),
        lambda: moves.move_challenges([challenge.pk], two, head, "r"),
    )
    now = Challenge.objects.get()
    assert now.rule_set == three
    assert rule_set_at(now, timezone.now()) == three
    assert [move.moved_to for move in now.moves.order_by("at")] == [two, three]


def test_the_later_of_two_overrides_holds_and_the_first_ended_before_it() -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    challenge = a_challenge()

    def set_to(positions: int) -> Callable[[], Any]:
        given = {"positions": positions}
        return lambda: overrides.set_override(challenge.account, "max_positions", 0, given, head, "r")

    while_held(challenge, set_to(9), set_to(3))
    early, late = RuleOverride.objects.order_by("starts_at")
    assert [(one.replacement or {})["positions"] for one in (early, late)] == [3, 9]
    assert early.ended_at == late.starts_at
    assert rulebook_at(Challenge.objects.get(), early.starts_at)["rules"][-1]["positions"] == 3


def test_nobody_throws_a_draft_away_while_another_is_saving() -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    phase = phase_of()
    plans.save_draft(phase, newest(phase).document, head)

    with ThreadPoolExecutor(1) as pool:
        with plans.drafting(phase):
            asked = pool.submit(alone, lambda: plans.discard_draft(phase, head))
            eventually(lambda: waits() or asked.done(), what="the other waits, or did not")
            assert RuleSetDraft.objects.exists()
        asked.result(30)
    assert not RuleSetDraft.objects.exists()


def test_a_phase_is_removed_with_what_was_published_at_that_moment() -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    phase = a_plan(head).phases.select_related("plan").get(slug="funded")

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            plans.publish(phase, daily_of(newest(phase).document, "3"), head, "r")
            asked = pool.submit(alone, lambda: plans.remove_phase(phase, head, "nobody buys it"))
            eventually(waits, what="the other waits for the phase")
        asked.result(30)
    assert not Phase.objects.filter(slug="funded", plan__slug="swing").exists()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("plans/swing/funded/edit/", 404),
        ("plans/swing/funded/edit/check/", 404),
        ("plans/swing/funded/edit/json/", 404),
        ("plans/swing/funded/edit/discard/", 404),
        ("plans/swing/funded/edit/rebase/", 404),
        ("plans/swing/funded/review/", 409),
        ("plans/swing/change/", 302),
    ],
)
def test_a_phase_that_is_removed_meanwhile_is_gone(address: str, status: int) -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    phase = a_plan(head).phases.select_related("plan").get(slug="funded")
    plans.save_draft(phase, daily_of(newest(phase).document, "3"), head)
    client = Client()
    client.force_login(head, backend="django.contrib.auth.backends.ModelBackend")
    shown = client.get("/plans/swing/funded/review/").context
    form = {key: shown[key] for key in ("base", "digest")}
    form |= {"json": "{}", "reason": "r", "do": "rename-phase:funded", "name": "New"}

    with ThreadPoolExecutor(1) as pool:
        with plans.drafting(phase):
            answer = pool.submit(alone, lambda: client.post(f"/{address}", form))
            eventually(waits, what="the page waits for the phase")
            plans.remove_phase(phase, head, "nobody buys it")
        assert answer.result(30).status_code == status


@pytest.mark.parametrize("page", ["edit/", "edit/check/"])
def test_who_signs_out_while_a_draft_is_saved_has_saved_nothing(page: str) -> None:
    head = User.objects.create_user("head", role=Role.HEAD_OF_RISK)
    phase = a_plan(head).phases.select_related("plan").get(slug="funded")
    client = Client()
    client.force_login(head, backend="django.contrib.auth.backends.ModelBackend")
    form = sent(newest(phase).document, rules_0_amount_percent="3")

    with ThreadPoolExecutor(1) as pool:
        with plans.drafting(phase):
            answer = pool.submit(alone, lambda: client.post(f"/plans/swing/funded/{page}", form))
            eventually(waits, what="the page waits for the phase")
            Session.objects.all().delete()
        assert answer.result(30).status_code == 400
    assert not RuleSetDraft.objects.exists()
