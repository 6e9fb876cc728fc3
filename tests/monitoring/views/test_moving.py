"""The preview and the move of running challenges: seen first, with a reason, and a number typed where it hurts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
import redis
from django.test import Client

from accounts import plans
from accounts.models import Account, AuditEntry, Challenge, Phase, Role, RuleSet, User
from monitoring.whatif import Sweep
from tests.monitoring.book import signed_in
from tests.monitoring.test_whatif import at_equity, started, version

PREVIEW, MOVE = "/plans/two-step/phase-1/preview/", "/plans/two-step/phase-1/move/"


@pytest.fixture
def phase(db: None) -> Phase:
    return plans.ensure_default_plans().phases.get(slug="phase-1")


@pytest.fixture
def head(db: None, redis_url: str) -> Client:
    return signed_in("head", Role.HEAD_OF_RISK)


@pytest.fixture
def published(phase: Phase, head: Client) -> RuleSet:
    """Version 2 with 4 %, and four accounts of version 1: one beyond it, one near it, one far from it, one unknown."""
    for number, equity in enumerate((95_500.0, 96_500.0, 99_000.0)):
        at_equity(started(f"acc_{number}"), equity)
    started("acc_3")
    return plans.publish(phase, version(phase, percent="4").document, User.objects.get(username="head"), "tighter")


def versions() -> list[int]:
    return list(Challenge.objects.order_by("account__login").values_list("rule_set__version", flat=True))


def test_the_preview_counts_and_names_them(head: Client, published: RuleSet) -> None:
    page = head.get(f"{PREVIEW}?target=2").content.decode()
    assert "data-finished" in page
    assert 'data-breaches="1"' in page
    for account, verdict in (("acc_0", "breach"), ("acc_1", "warn"), ("acc_3", "unknown")):
        assert f'data-account="{account}" data-verdict="{verdict}"' in page
    assert 'data-account="acc_2"' not in page
    assert "100,000.00 USD" in page


def test_htmx_gets_the_fragment_and_its_list(head: Client, published: RuleSet) -> None:
    page = head.get(f"{PREVIEW}?target=2", headers={"HX-Request": "true"}).content.decode()
    assert page.startswith('<div id="preview"')
    found = head.get(f"{PREVIEW}?target=2&part=list&show=warn", headers={"HX-Request": "true"}).content.decode()
    assert found.startswith('<div id="preview-list"')
    assert found.count("data-account=") == 1


def test_a_preview_of_a_while_ago_is_computed_again(head: Client, published: RuleSet, redis_url: str) -> None:
    assert 'data-breaches="1"' in head.get(f"{PREVIEW}?target=2").content.decode()
    at_equity(Challenge.objects.get(account__login="acc_1"), 95_000.0)
    assert 'data-breaches="1"' in head.get(f"{PREVIEW}?target=2").content.decode()
    client = redis.Redis.from_url(redis_url)
    (key,) = [one for one in client.keys("riskdesk:whatif:*") if b":rows:" not in one]
    kept = msgspec.msgpack.decode(client.get(key), type=Sweep)  # type: ignore[arg-type]
    assert kept.ended
    kept.ended -= timedelta(seconds=31)
    client.set(key, msgspec.msgpack.encode(kept))
    assert 'data-breaches="1"' in head.get(f"{PREVIEW}?target=2&sort=account").content.decode()
    for path in (PREVIEW, MOVE):
        assert 'data-breaches="2"' in head.get(f"{path}?target=2").content.decode()


def test_a_draft_is_previewed_before_it_is_a_version(head: Client, phase: Phase) -> None:
    at_equity(started("acc_0"), 95_500.0)
    plans.save_draft(phase, version(phase, percent="4").document, User.objects.get(username="head"))
    assert 'data-breaches="1"' in head.get(f"{PREVIEW}?target=draft").content.decode()


def test_the_preview_is_a_file_too(head: Client, published: RuleSet) -> None:
    lines = b"".join(head.get(f"{PREVIEW}?target=2&format=csv").streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 4
    assert any(line.startswith("acc_0,") and ",breach,fail," in line and ",-500.00," in line for line in lines)


@pytest.mark.parametrize("query", ["", "target=9", "target=x", "target=draft", "target=99999999999999999999"])
def test_a_target_that_is_not_there_is_not_found(head: Client, phase: Phase, query: str) -> None:
    assert head.get(f"{PREVIEW}?{query}").status_code == 404


@pytest.mark.parametrize("query", ["show=nobody", "sort=x", "page=-1", "q=%00", "from=x&from=-1", "accounts=%00"])
def test_strange_filters_are_a_word_and_never_a_defect(head: Client, published: RuleSet, query: str) -> None:
    for page in (PREVIEW, MOVE):
        assert head.get(f"{page}?target=2&{query}").status_code == 200
    assert head.get(f"{PREVIEW}?target=2&{query}&format=csv").status_code in {200, 400}


def test_a_move_that_hurts_wants_the_number(head: Client, published: RuleSet) -> None:
    answer = head.post(MOVE, {"target": "2", "reason": "the new terms hold for all"})
    assert answer.status_code == 409
    assert "type 1 if that is meant" in answer.content.decode()
    assert versions() == [1, 1, 1, 1]
    answer = head.post(MOVE, {"target": "2", "reason": "the new terms hold for all", "confirm": "1"}, follow=True)
    assert "4 challenges are judged by version 2" in answer.content.decode()
    assert versions() == [2, 2, 2, 2]
    assert AuditEntry.objects.filter(verb="challenge_moved").count() == 4


@pytest.mark.parametrize(
    ("accounts", "typed", "moves"),
    [(20, "21", True), (20, "19", True), (20, "22", False), (20, "", False), (2, "1", False), (2, "x", False)],
)
def test_prices_that_move_while_the_number_is_typed_hold_up_no_move(
    head: Client, phase: Phase, accounts: int, typed: str, moves: bool
) -> None:
    for number in range(accounts):
        at_equity(started(f"acc_{number}"), 95_500.0)
    plans.publish(phase, version(phase, percent="4").document, User.objects.get(username="head"), "tighter")
    answer = head.post(MOVE, {"target": "2", "reason": "the new terms hold for all", "confirm": typed})
    assert answer.status_code == (302 if moves else 409)
    assert set(versions()) == ({2} if moves else {1})


def test_a_move_wants_a_reason(head: Client, published: RuleSet) -> None:
    answer = head.post(MOVE, {"target": "2", "confirm": "1"})
    assert answer.status_code == 422
    assert versions() == [1, 1, 1, 1]


def test_only_the_chosen_accounts_are_moved(head: Client, published: RuleSet) -> None:
    answer = head.post(MOVE, {"target": "2", "reason": "asked for it", "accounts": "acc_2 acc_9"}, follow=True)
    assert "1 challenge is judged by version 2" in answer.content.decode()
    assert versions() == [1, 1, 2, 1]


def test_named_accounts_that_cannot_be_moved_are_said(head: Client, published: RuleSet) -> None:
    page = head.get(f"{MOVE}?chosen=1&target=2&accounts=acc_2+acc_9").content.decode()
    assert "left out: acc_9" in page
    assert "Move 1 challenge to version 2" in page


def test_a_login_of_two_servers_moves_neither(head: Client, published: RuleSet) -> None:
    Account.objects.filter(public_id__in=("acc_1", "acc_2")).update(login="1001")
    page = head.get(f"{MOVE}?chosen=1&target=2&accounts=1001")
    sent = head.post(MOVE, {"target": "2", "reason": "asked for it", "accounts": "1001 acc_0", "confirm": "1"})
    for answer in (page, sent):
        assert answer.status_code == 422
        assert "1001 names several accounts: acc_1, acc_2." in answer.content.decode()
    assert set(versions()) == {1}
    head.post(MOVE, {"target": "2", "reason": "asked for it", "accounts": "acc_2"})
    assert Challenge.objects.get(rule_set__version=2).account.public_id == "acc_2"


@pytest.mark.parametrize("query", ["", "&accounts=" + "+".join(f"a{n}" for n in range(201))])
def test_a_choice_of_nobody_or_of_too_many_is_said(head: Client, published: RuleSet, query: str) -> None:
    answer = head.get(f"{MOVE}?chosen=1&target=2{query}")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert "Move them" not in answer.content.decode()


def test_sent_twice_it_moves_once(head: Client, published: RuleSet) -> None:
    data = {"target": "2", "reason": "asked for it", "accounts": "acc_2"}
    head.post(MOVE, data)
    assert "Nobody is left to move" in head.post(MOVE, data, follow=True).content.decode()
    assert AuditEntry.objects.filter(verb="challenge_moved").count() == 1


def test_nobody_is_moved_to_a_draft(head: Client, phase: Phase) -> None:
    started("acc_0")
    plans.save_draft(phase, version(phase, percent="4").document, User.objects.get(username="head"))
    assert head.post(MOVE, {"target": "draft", "reason": "x"}).status_code == 404


@pytest.mark.parametrize("role", [Role.RISK_OFFICER, Role.AUDITOR, Role.TRADER])
def test_only_the_head_of_risk_moves(published: RuleSet, role: Role) -> None:
    client = signed_in("somebody", role)
    assert client.get(f"{MOVE}?target=2").status_code == 403
    assert client.post(MOVE, {"target": "2", "reason": "x", "confirm": "1"}).status_code == 403
    assert versions() == [1, 1, 1, 1]
