"""Two windows, two people, one draft: nobody's work goes unseen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.test import Client

from accounts import plans
from accounts.models import RuleSetDraft, User
from tests.accounts.views.sent import sent
from tests.accounts.views.two_step import document, phase

EDIT, CHECK = "/plans/two-step/phase-1/edit/", "/plans/two-step/phase-1/edit/check/"


def test_somebody_elses_draft_is_not_overwritten_unseen(head: Client, people: dict[str, User]) -> None:
    other = User.objects.create_user("second_head", role="head_of_risk")
    stamp = head.get(EDIT).context["stamp"]
    theirs = document()
    theirs["rules"][0]["amount"]["percent"] = "3"
    plans.save_draft(phase(), theirs, other)
    answer = head.post(EDIT, {**sent(document(), rules_0_amount_percent="4"), "stamp": stamp})
    assert answer.status_code == 409
    assert "second_head changed this draft" in answer.content.decode()
    assert 'value="4"' in answer.content.decode()
    assert RuleSetDraft.objects.get().document == theirs
    again = {**sent(document(), rules_0_amount_percent="4"), "stamp": stamp, "over": answer.context["over"]}
    assert f'name="over" value="{answer.context["over"]}"' in answer.content.decode()
    for _ in range(2):  # typing on puts nothing in place of it: only a button does
        live = head.post(CHECK, again)
        assert "Not saved: second_head" in live.content.decode()
        again["stamp"] = live.context["stamp"]
    assert RuleSetDraft.objects.get().document == theirs
    assert head.post(EDIT, again).status_code == 302
    assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == "4"


def opened(head: Client) -> dict[str, str]:
    """A window with the editor: what its hidden fields say."""
    context = head.get(EDIT).context
    return {"stamp": context["stamp"], "tab": context["tab"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [EDIT, CHECK])
def test_of_two_who_save_at_the_same_time_one_is_told(head: Client, path: str) -> None:
    other = User.objects.create_user("second_head", role="head_of_risk")
    plans.save_draft(phase(), document(), other)
    second, barrier = Client(), Barrier(2)
    second.force_login(other, backend="django.contrib.auth.backends.ModelBackend")
    seen = {key: head.get(EDIT).context[key] for key in ("stamp", "base")}

    def send(one: tuple[Client, str]) -> bool:
        try:
            barrier.wait(10)
            return (
                "Not saved"
                in one[0].post(path, sent(document(), rules_0_amount_percent=one[1], **seen)).content.decode()
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(send, ((head, "3"), (second, "4"))))
    assert sorted(told) == [False, True]
    assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == ("4" if told[0] else "3")


def test_a_second_window_of_the_same_person_overwrites_nothing_unseen(head: Client) -> None:
    first, second = opened(head), opened(head)
    live = head.post(CHECK, {**sent(document(), rules_0_amount_percent="4"), **first})
    assert live.context["stamp"] != first["stamp"]
    for path, status in ((CHECK, 200), (EDIT, 409)):
        answer = head.post(path, {**sent(document(), rules_0_amount_percent="3"), **second})
        assert answer.status_code == status
        assert "your other window changed this draft" in answer.content.decode()
        assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == "4"
    second |= {"over": answer.context["over"]}
    assert head.post(EDIT, {**sent(document(), rules_0_amount_percent="3"), **second}).status_code == 302
    assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == "3"


def test_a_page_of_before_a_version_begins_no_draft_of_that_version(head: Client, people: dict[str, User]) -> None:
    base = str(head.get(EDIT).context["base"])
    theirs = document()
    theirs["rules"][0]["amount"]["percent"] = "3"
    plans.publish(phase(), theirs, people["head_of_risk"], "tighter")
    theirs["rules"][0]["amount"]["percent"] = "5"
    head.post(CHECK, {**sent(theirs, rules_1_amount_percent="9"), "stamp": "", "base": base})
    assert RuleSetDraft.objects.get().base_version == 1
    page = head.get("/plans/two-step/phase-1/review/").content.decode()
    assert "after this draft was begun from version 1" in page
    assert "Publish version 3" not in page


def test_a_button_pressed_before_the_live_answer_came_is_no_conflict(head: Client) -> None:
    page = opened(head)
    head.post(CHECK, {**sent(document(), rules_0_amount_percent="4"), **page})
    assert head.post(EDIT, {**sent(document(), rules_0_amount_percent="3"), **page}).status_code == 302
    late = head.post(CHECK, {**sent(document(), rules_0_amount_percent="4"), **page})  # overtaken on its way
    assert "Not saved" in late.content.decode()
    assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == "3"
