"""Review and publishing: the diff in words, a reason, once, and never over somebody else's version unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from accounts import challenges, plans, presets
from accounts.models import AuditEntry, Challenge, Phase, Plan, RuleSet, RuleSetDraft, Server, User
from tests.accounts.views.sent import sent
from tests.accounts.views.two_step import phase

SignedIn = Callable[[str], Client]
REVIEW, EDIT = "/plans/two-step/phase-1/review/", "/plans/two-step/phase-1/edit/"


def tightened(percent: str = "4") -> dict[str, Any]:
    document = deepcopy(dict(phase().rule_sets.get(version=1).document))
    document["rules"][0]["amount"]["percent"] = percent
    return document


def drafted(client: Client, percent: str = "4") -> dict[str, str]:
    """A draft with another daily loss; what its review page would send."""
    client.post(EDIT, sent(tightened(percent)))
    return shown(client)


def shown(client: Client) -> dict[str, str]:
    context = client.get(REVIEW).context
    return {"base": str(context["base"]), "digest": context["digest"], "reason": "Losses were too high."}


def signed_in_too(client: Client) -> Client:
    """A second client of the same session."""
    again = Client()
    again.cookies = client.cookies
    return again


def start(name: str) -> Challenge:
    server, _ = Server.objects.get_or_create(name="sim", defaults={"kind": "simulator"})
    return challenges.adopt(
        server, upstream_id=name, login=name, group="", holder="L. Fischer", currency="USD",
        balance=Decimal("100000.00"), at=datetime.now(UTC),
    )  # fmt: skip


def test_the_review_says_the_change_in_words(head: Client) -> None:
    drafted(head)
    page = head.get(REVIEW).content.decode()
    assert "5%" in page
    assert "4%" in page
    assert "Review version 2" in page


def test_what_is_published_judges_new_challenges_and_old_ones_keep_theirs(head: Client) -> None:
    old = start("acc_1")
    answer = head.post(REVIEW, drafted(head), follow=True)
    assert "Version 2 is published" in answer.content.decode()
    new = start("acc_2")
    assert (Challenge.objects.get(pk=old.pk).rule_set.version, new.rule_set.version) == (1, 2)
    made = RuleSet.objects.get(phase=phase(), version=2)
    assert (made.author.username, made.reason) == ("head_of_risk", "Losses were too high.")  # type: ignore[union-attr]
    assert not RuleSetDraft.objects.exists()
    assert AuditEntry.objects.filter(verb="rule_set_published", actor_name="head_of_risk").count() == 1


def test_sent_twice_it_is_published_once(head: Client) -> None:
    data = drafted(head)
    head.post(REVIEW, data)
    answer = head.post(REVIEW, data, follow=True)
    assert "published already, as version 2" in answer.content.decode()
    assert RuleSet.objects.filter(phase=phase()).count() == 2


@pytest.mark.django_db(transaction=True)
def test_sent_twice_at_once_it_is_published_once_and_both_are_told(head: Client) -> None:
    data, barrier = drafted(head), Barrier(2)

    def send(client: Client) -> str:
        try:
            barrier.wait(10)
            return client.post(REVIEW, data).headers.get("Location", "")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        went = list(pool.map(send, (head, signed_in_too(head))))
    assert went == ["/plans/two-step/versions/phase-1/2/"] * 2
    assert RuleSet.objects.filter(phase=phase()).count() == 2


def test_without_a_reason_nothing_is_published(head: Client) -> None:
    answer = head.post(REVIEW, {**drafted(head), "reason": " "})
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert RuleSet.objects.filter(phase=phase()).count() == 1


def test_a_version_published_meanwhile_is_noticed_with_what_it_changed(head: Client) -> None:
    data = drafted(head)
    other = User.objects.create_user("second_head", role="head_of_risk")
    theirs = tightened("5")
    theirs["rules"][1]["amount"]["percent"] = "8"
    kept = RuleSetDraft.objects.get().document
    plans.publish(phase(), theirs, other, "A tighter maximum loss.")
    assert RuleSetDraft.objects.get().document == kept
    answer = head.post(REVIEW, data)
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "published by second_head" in page
    assert "A tighter maximum loss." in page
    assert "8% of the initial balance instead of 10%" in page  # what it changed
    assert RuleSet.objects.filter(phase=phase()).count() == 2
    head.post("/plans/two-step/phase-1/edit/rebase/")
    assert head.post(REVIEW, shown(head)).status_code == 302
    assert RuleSet.objects.filter(phase=phase()).count() == 3


def test_a_draft_that_changed_under_the_review_is_not_published_unseen(head: Client) -> None:
    data = drafted(head)
    plans.save_draft(phase(), tightened("3"), User.objects.get(username="head_of_risk"))
    answer = head.post(REVIEW, data)
    assert answer.status_code == 409
    assert "changed the draft" in answer.content.decode()
    assert RuleSet.objects.filter(phase=phase()).count() == 1


def test_a_wrong_draft_cannot_be_published(head: Client) -> None:
    data = drafted(head, "500")
    assert "It cannot be published" in head.get(REVIEW).content.decode()
    assert head.post(REVIEW, data).status_code == 422
    assert RuleSet.objects.filter(phase=phase()).count() == 1


def test_a_draft_that_somebody_else_changed_is_not_thrown_away_unseen(head: Client) -> None:
    drafted(head)
    stamp = head.get(EDIT).context["stamp"]
    other = User.objects.create_user("second_head", role="head_of_risk")
    plans.save_draft(phase(), tightened("3"), other)
    answer = head.post("/plans/two-step/phase-1/edit/discard/", {"stamp": stamp}, follow=True)
    assert "second_head changed the draft" in answer.content.decode()
    assert RuleSetDraft.objects.get().author == other
    head.post("/plans/two-step/phase-1/edit/discard/", {"stamp": head.get(EDIT).context["stamp"]})
    assert not RuleSetDraft.objects.exists()


def test_what_each_challenge_brings_is_checked_in_a_draft_and_not_told_as_a_change(head: Client) -> None:
    def saved(**brought: Any) -> dict[str, Any]:
        text = json.dumps({**tightened("4"), **brought})
        head.post("/plans/two-step/phase-1/edit/json/", {"json": text, "do": "save"})
        return dict(head.get(REVIEW).context)

    assert [path for path, _ in saved(version=0, currency="euro")["errors"]] == ["version", "currency"]
    assert "currency" in head.get("/plans/two-step/phase-1/edit/").content.decode()
    context = saved(version=7, currency="EUR", initial_balance="50000.00")
    assert [one.title for one in context["changes"]] == ["Daily loss"]
    data = shown(head)
    assert head.post(REVIEW, data).status_code == 302
    again = head.post(REVIEW, data, follow=True)
    assert "published already, as version 2" in again.content.decode()
    assert (
        not {"version", "currency", "initial_balance"} & RuleSet.objects.get(phase=phase(), version=2).document.keys()
    )


def test_a_draft_is_thrown_away(head: Client) -> None:
    drafted(head)
    head.post("/plans/two-step/phase-1/edit/discard/")
    assert not RuleSetDraft.objects.exists()
    assert "no draft to review" in head.get(REVIEW, follow=True).content.decode()


def test_a_version_shows_who_is_judged_by_it(head: Client, signed_in: SignedIn) -> None:
    start("acc_1")
    head.post(REVIEW, drafted(head))
    start("acc_2")
    for number, account in ((1, "acc_1"), (2, "acc_2")):
        address = f"/plans/two-step/versions/phase-1/{number}/"
        page = signed_in("auditor").get(address).content.decode()
        assert f'data-account="{account}"' in page
        assert page.count("data-account=") == 1
        csv = b"".join(head.get(f"{address}?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
        assert account in csv
    assert "Move running challenges" in head.get("/plans/two-step/versions/phase-1/2/").content.decode()
    assert "Move running challenges" not in signed_in("risk_officer").get("/plans/two-step/").content.decode()
    assert "v1: 1" in head.get("/plans/").content.decode()
    assert head.get("/plans/two-step/versions/phase-1/9/").status_code == 404
    assert head.get("/plans/two-step/versions/phase-1/99999999999999/").status_code == 404


def test_every_preset_becomes_a_plan(head: Client) -> None:
    for preset in presets.PRESETS:
        data = {"preset": preset.slug, "slug": f"my-{preset.slug}", "name": preset.name}
        assert head.post("/plans/new/", data).status_code == 302, preset.slug
        page = head.get(f"/plans/my-{preset.slug}/").content.decode()
        assert "Check with the firm" in page
        assert "2026-10-04" in page
        assert "No sentence" not in page


def test_an_exported_plan_can_be_imported_again(head: Client) -> None:
    data = json.loads(head.get("/plans/two-step/export.json").content)
    answer = head.post("/plans/new/json/", {"json": json.dumps({**data, "slug": "copy"})})
    assert answer.status_code == 302
    copy = Plan.objects.get(slug="copy")
    assert [one.slug for one in copy.phases.order_by("order")] == ["phase-1", "phase-2", "funded"]


def test_a_second_plan_of_a_preset_is_offered_another_name(head: Client) -> None:
    for slug, name in (("ftmo-2-step", "FTMO 2-Step"), ("ftmo-2-step-2", "FTMO 2-Step (2)")):
        offered = head.get("/plans/new/?preset=ftmo-2-step").context["form"].initial
        assert offered == {"preset": "ftmo-2-step", "slug": slug, "name": name}
        assert head.post("/plans/new/", offered).status_code == 302


def test_a_plan_of_ten_megabytes_is_refused_in_words(head: Client) -> None:
    large = b'{"slug": "' + b"x" * 10_000_000 + b'"}'
    answer = head.post("/plans/new/json/", {"file": SimpleUploadedFile("plan.json", large)})
    assert answer.status_code == 422
    assert "at most 1,000,000 bytes are read" in answer.content.decode()
    answer = head.post("/plans/new/json/", {"json": large.decode()})
    assert answer.status_code == 400
    assert "larger than a page of this desk may send" in answer.content.decode()


def test_a_slug_that_is_taken_is_said_at_its_field(head: Client) -> None:
    answer = head.post("/plans/new/", {"slug": "two-step", "name": "Again", "preset": ""})
    assert answer.status_code == 422
    assert "There is already a plan two-step" in str(answer.context["form"].errors["slug"])
    answer = head.post("/plans/new/", {"slug": "presets", "name": "X", "preset": ""})
    assert "address of the pages" in str(answer.context["form"].errors["slug"])


def test_a_plan_is_archived_and_found_by_its_filter_only(head: Client) -> None:
    assert "Say why" in head.post("/plans/two-step/change/", {"do": "archive"}, follow=True).content.decode()
    head.post("/plans/two-step/change/", {"do": "archive", "reason": "no longer sold"})
    assert "two-step" not in head.get("/plans/").content.decode()
    assert "two-step" in head.get("/plans/?state=archived").content.decode()
    head.post("/plans/two-step/change/", {"do": "restore"})
    assert "two-step" in head.get("/plans/").content.decode()


def test_phases_are_added_and_put_in_order(head: Client) -> None:
    head.post("/plans/two-step/change/", {"do": "add-phase", "phase-slug": "bonus", "phase-name": "Bonus"})
    head.post("/plans/two-step/change/", {"do": "up:bonus"})
    head.post("/plans/two-step/change/", {"do": "rename-phase:bonus", "name": "Extra"})
    order = list(Phase.objects.filter(plan__slug="two-step").order_by("order").values_list("name", flat=True))
    assert order == ["Phase 1", "Phase 2", "Extra", "Funded"]
    head.post("/plans/two-step/change/", {"do": "remove-phase:bonus", "reason": "a mistake"})
    assert not Phase.objects.filter(slug="bonus").exists()


@pytest.mark.parametrize("do", ["", "up:nobody", "explode", "add-phase", "rename", "remove-phase:phase-1"])
def test_what_cannot_be_done_is_said(head: Client, do: str) -> None:
    start("acc_1")
    answer = head.post("/plans/two-step/change/", {"do": do, "reason": "x"}, follow=True)
    assert answer.status_code == 200
    assert 'class="error"' in answer.content.decode()
