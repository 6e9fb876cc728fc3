"""The editor: what is typed is kept; errors and warnings stand at their fields in the words of `replay`."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts import plans, tokens
from accounts.models import AuditEntry, Plan, RuleSet, RuleSetDraft, User
from accounts.plan_forms import RULES, START, document_of, form_of
from tests.accounts.views.sent import sent
from tests.accounts.views.two_step import document, phase

SignedIn = Callable[[str], Client]
EDIT, CHECK = "/plans/two-step/phase-1/edit/", "/plans/two-step/phase-1/edit/check/"
JSON = "/plans/two-step/phase-1/edit/json/"
LOSS = {"reference": "day_start_balance", "measured": "equity", "operator": "<", "consequence": "fail"}
WINDOW = {"days": ["mon"], "from": "08:00", "to": "12:00"}


def whole(**rule: Any) -> dict[str, Any]:
    """A document with one rule, or with another general part."""
    document = plans.blank_document()
    return {**document, "rules": [rule]} if rule else document


BAD: dict[str, tuple[dict[str, Any], str, bool]] = {  # what is wrong: the document, the path, whether it is an error
    "unknown key": (whole(rule="max_positions", positions=5, limit=3), "rules[0].limit", True),
    "unknown general key": ({**whole(), "colour": "red"}, "colour", True),
    "500% limit": (whole(rule="daily_loss", amount={"percent": "500", "of": "initial"}, **LOSS),
                   "rules[0].amount.percent", True),
    "unknown zone": ({**whole(), "reset": {"time": "00:00", "zone": "Europe/Atlantis"}}, "reset.zone", True),
    "EST": ({**whole(), "reset": {"time": "17:00", "zone": "EST"}}, "reset.zone", False),
    "overlapping windows": (whole(rule="trading_hours", zone="UTC", windows=[WINDOW, {**WINDOW, "from": "11:00"}]),
                            "rules[0].windows", False),
    "negative lots": (whole(rule="max_lots_total", lots="-3", count="gross"), "rules[0].lots", True),
    "skipped reset": ({**whole(), "reset": {"time": "02:30", "zone": "Europe/Prague"}}, "reset.time", False),
}  # fmt: skip


def engine_says(wrong: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What `replay` prints of the document: its errors, its warnings."""
    rules, frames = tmp_path / "rules.json", tmp_path / "frames.jsonl"
    rules.write_text(json.dumps(plans.whole_document(wrong)), encoding="utf-8")
    frames.write_text("", encoding="utf-8")
    try:
        call_command("replay", str(frames), rules=rules)
    except CommandError as error:
        return str(error), ""
    return "", capsys.readouterr().err


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_at_its_field_in_the_words_of_replay(
    head: Client, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, path, is_error = BAD[case]
    errors, warnings = engine_says(wrong, tmp_path, capsys)
    said = errors if is_error else warnings
    line = next(one for one in said.splitlines() if f": {path}" in one)
    message = line.partition(f"{path}")[2].partition(": ")[2]
    assert message

    answer = head.post(EDIT, sent(wrong), follow=True)  # through the form
    found = [text for field in answer.context["form"].fields for text in (field.errors if is_error else field.warnings)]
    rules = answer.context["form"].rules
    found += [
        text for rule in rules for one in (rule, *rule.windows) for text in (*one.errors, *getattr(one, "warnings", []))
    ]
    assert any(message in text for text in [*found, *answer.context["form"].errors]), (found, message)

    answer = head.post(JSON, {"json": json.dumps(wrong), "do": "save"}, follow=True)  # through the JSON of the draft
    by_path = answer.context["errors" if is_error else "warnings"]
    assert any(one.startswith(path) and text == message for one, text in by_path), by_path

    exported = {"slug": "imported", "name": "Imported", "phases": [{"slug": "one", "name": "One", **wrong}]}
    answer = head.post("/plans/new/json/", {"json": json.dumps(exported)})  # through the import of a plan
    if is_error:
        assert answer.status_code == 422
        assert (f"phases[0].{line.partition(path)[1]}" in answer.content.decode()) is True
        assert any(text == message for _, text in answer.context["errors"])
        assert not Plan.objects.filter(slug="imported").exists()
    else:
        assert answer.status_code == 302


def test_what_is_typed_is_kept_as_a_draft_and_judges_nobody(head: Client) -> None:
    answer = head.post(EDIT, sent(document(), rules_0_amount_percent="4"), follow=True)
    assert answer.status_code == 200
    draft = RuleSetDraft.objects.get()
    assert draft.document["rules"][0]["amount"] == {"percent": "4", "of": "initial"}
    assert draft.base_version == 1
    assert RuleSet.objects.filter(phase=phase()).count() == 1


BOTH = {"rule": "trading_hours", "zone": "EST", "windows": [{**WINDOW, "from": "25:00"}]}


@pytest.mark.parametrize("name", [*BAD, "an error beside a warning"])
def test_an_import_says_of_a_phase_what_replay_says_of_its_rules(
    name: str, head: Client, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = BAD[name][0] if name in BAD else whole(**BOTH)
    told = "".join(engine_says(wrong, tmp_path, capsys)).replace(f"{tmp_path / 'rules.json'}: ", "").splitlines()
    data = {"slug": "other", "name": "Other", "phases": [{"slug": "one", "name": "One", **wrong}]}
    page = unescape(head.post("/plans/new/json/", {"json": json.dumps(data)}, follow=True).content.decode())
    Plan.objects.filter(slug="other").update(slug="by-page")
    user = User.objects.get(username="head_of_risk")
    caller = Client(headers={"Authorization": f"Bearer {tokens.create(user, 'test', user)[1]}"})
    answer = caller.post("/api/v1/plans/import", data, content_type="application/json").json()
    by_api = [said if isinstance(said, str) else f"{said['path']}: {said['message']}" for said in answer["warnings"]]
    by_api += [f"{said['path']}: {said['message']}" for said in answer.get("errors", [])]
    assert told
    for line in told:
        said = f"phases[0].{line.removeprefix('warning: ')}"
        assert said in page.replace("<code>", "").replace("</code>", "")
        assert said in by_api


def test_warnings_stand_beside_errors_and_none_is_made_up(head: Client) -> None:
    wrong = whole(rule="max_lots_total", lots="-3", count="gross")
    wrong["rules"].append({"rule": "trading_hours", "zone": "EST", "windows": [WINDOW]})
    form = head.post(EDIT, sent(wrong), follow=True).context["form"]
    assert (form.wrong, form.doubtful, form.errors, form.warnings) == (1, 1, [], [])
    assert [field.name for field in form.fields if field.warnings] == ["rules-1-zone"]


def test_the_json_has_the_keys_in_the_order_of_the_form(head: Client) -> None:
    text = head.get(JSON).context["text"]
    assert text.index('"reset"') < text.index('"warn_at"') < text.index('"rules"')
    assert text.index('"rule": "daily_loss"') < text.index('"reference"') < text.index('"percent"')


def test_sending_what_is_there_already_begins_no_draft(head: Client) -> None:
    head.post(EDIT, sent(document()))
    assert not RuleSetDraft.objects.exists()


def test_the_live_answer_has_the_error_at_the_field_and_keeps_the_draft(head: Client) -> None:
    answer = head.post(CHECK, sent(document(), rules_0_amount_percent="500"), headers={"HX-Request": "true"})
    page = answer.content.decode()
    spot = page[page.index('id="rules-0-amount-percent-says"') :][:300]
    assert "must be above 0 and at most 100" in spot
    assert 'hx-swap-oob="true"' in spot
    assert RuleSetDraft.objects.get().document["rules"][0]["amount"]["percent"] == "500"


def test_the_live_answer_has_the_sentence_with_the_new_number(head: Client) -> None:
    page = head.post(CHECK, sent(document(), rules_0_amount_percent="4.5")).content.decode()
    assert "less 4.5% of the initial balance" in page
    assert 'id="rules-0-said"' in page


def test_rules_are_added_moved_and_removed_without_javascript(head: Client) -> None:
    head.post(EDIT, sent(document(), do="add", add="max_positions"))
    assert [rule["rule"] for rule in RuleSetDraft.objects.get().document["rules"]][-1] == "max_positions"
    answer = head.post(EDIT, sent(RuleSetDraft.objects.get().document, do="up:3"))
    assert answer.headers["Location"].endswith("#rules-2")
    head.post(EDIT, sent(RuleSetDraft.objects.get().document, do="remove:0"))
    names = [rule["rule"] for rule in RuleSetDraft.objects.get().document["rules"]]
    assert names == ["max_loss", "max_positions", "profit_target"]


def test_hours_are_added_and_removed(head: Client) -> None:
    head.post(EDIT, sent(document(), do="add", add="trading_hours"))
    head.post(EDIT, sent(RuleSetDraft.objects.get().document, do="add-window:3"))
    assert len(RuleSetDraft.objects.get().document["rules"][3]["windows"]) == 2
    head.post(EDIT, sent(RuleSetDraft.objects.get().document, do="remove-window:3:0"))
    assert len(RuleSetDraft.objects.get().document["rules"][3]["windows"]) == 1


@pytest.mark.parametrize(
    "do", ["remove:99", "up:x", "remove-window:0:0", "add-window:0", "nothing", "", ":::", "down:"]
)
def test_a_button_that_means_nothing_changes_nothing(head: Client, do: str) -> None:
    assert head.post(EDIT, sent(document(), do=do)).status_code == 302
    assert not RuleSetDraft.objects.exists()


def test_json_that_is_none_stays_in_the_field(head: Client) -> None:
    answer = head.post(JSON, {"json": '{"rules": [', "do": "save"})
    assert answer.status_code == 422
    assert "not JSON" in answer.content.decode()
    assert "{&quot;rules&quot;: [" in answer.content.decode()
    assert not RuleSetDraft.objects.exists()


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '{"a": NaN}', '{"a": "\\u0000"}', '{"rules": {}}', '{"rules": [1, "x", null]}', "{}",
             "[" * 3000, '{"rules": [{"rule": "daily_loss", "amount": "5", "operator": ["<"]}]}',
             '{"rules": [{"rule": "trading_hours", "windows": {"mon": 1}}, {"rule": 7}, {}]}', '{"reset": []}'],
)  # fmt: skip
def test_strange_json_is_a_word_and_never_a_defect(head: Client, text: str) -> None:
    assert head.post(JSON, {"json": text, "do": "save"}, follow=True).status_code in {200, 422}
    assert head.get(EDIT).status_code == 200
    assert head.get("/plans/two-step/phase-1/review/", follow=True).status_code == 200
    answer = head.post(EDIT, sent(RuleSetDraft.objects.get().document) if RuleSetDraft.objects.exists() else {})
    assert answer.status_code in {302, 422}


def test_what_no_field_can_hold_survives_the_form(head: Client) -> None:
    strange = {**document(), "colour": "red"}
    strange["rules"] = [
        {**strange["rules"][0], "measured": 5, "note": {"a": [1]}}, {"rule": "bonus", "x": 1}, "no rule",
    ]  # fmt: skip
    plans.save_draft(phase(), strange, User.objects.get(username="head_of_risk"))
    head.post(EDIT, sent(strange))
    assert RuleSetDraft.objects.get().document == strange


@pytest.mark.parametrize("changes", [{"warn_at": []}, {"trading_week": []}], ids=str)
def test_an_empty_list_is_no_default(head: Client, changes: dict[str, Any]) -> None:
    plans.save_draft(phase(), {**document(), **changes}, User.objects.get(username="head_of_risk"))
    head.post(EDIT, sent(RuleSetDraft.objects.get().document, rules_0_amount_percent="4"))
    kept = RuleSetDraft.objects.get().document
    assert kept["rules"][0]["amount"]["percent"] == "4"
    assert kept.items() >= changes.items()  # no warnings at all are not the usual three


def test_what_is_typed_takes_the_place_of_an_empty_list(head: Client) -> None:
    plans.save_draft(phase(), {**document(), "warn_at": []}, User.objects.get(username="head_of_risk"))
    head.post(EDIT, sent(RuleSetDraft.objects.get().document, warn_at="0.5, 0.9"))
    assert RuleSetDraft.objects.get().document["warn_at"] == ["0.5", "0.9"]


def test_what_a_static_floor_is_judged_by_is_not_hidden(head: Client) -> None:
    page = head.get(EDIT).context["form"].rules[1]
    assert {field.spec.path for field in page.fields if field.when} >= {"lock.at", "on_payout", "high_water"}
    locked = document()
    locked["rules"][1] |= {"on_payout": "lock_at_initial", "lock": {"at": "initial", "offset": "-20000"}}
    plans.save_draft(phase(), locked, User.objects.get(username="head_of_risk"))
    page = head.get(EDIT).context["form"].rules[1]
    assert not {field.spec.path for field in page.fields if field.when} & {"lock.at", "on_payout"}


def test_a_null_where_hours_belong_is_an_error_and_no_defect(head: Client) -> None:
    wrong = whole(rule="trading_hours", zone="UTC", windows=None)
    assert head.post(JSON, {"json": json.dumps(wrong), "do": "save"}).status_code == 302
    answer = head.get(EDIT)
    assert answer.status_code == 200
    assert "must be a list, is None" in answer.content.decode()


@pytest.mark.parametrize("role", ["risk_officer", "auditor"])
@pytest.mark.parametrize("path", [EDIT, JSON, "/plans/new/", "/plans/new/json/", "/plans/two-step/phase-1/review/"])
def test_only_the_head_of_risk_writes(signed_in: SignedIn, plan: Plan, role: str, path: str) -> None:
    client = signed_in(role)
    assert client.get(path).status_code == 403
    assert client.post(path, sent(document(), rules_0_amount_percent="4")).status_code == 403
    assert not RuleSetDraft.objects.exists()
    assert AuditEntry.objects.filter(verb="access_refused", target=path).exists()


# -- the form holds every document ------------------------------------------------------------------------------------

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 500), st.text("abc50.%, <", max_size=6))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Documents of known rules with some of their values replaced by anything, and keys that nobody knows."""
    found = plans.blank_document()
    for key in draw(st.sets(st.sampled_from([*found, "colour"]), max_size=2)) - {"rules"}:
        found[key] = draw(VALUES)
    for kind in draw(st.lists(st.sampled_from(sorted(RULES)), max_size=4)):
        rule = {"rule": kind, **deepcopy(START[kind])}
        for key in draw(st.sets(st.sampled_from([*rule, "note", "consequence"]), max_size=2)) - {"rule"}:
            rule[key] = draw(VALUES)
        found["rules"].append(rule)
    return found


def normal(value: Any) -> Any:
    """Without what the form may drop: nulls, most empty lists and objects, which mean what leaving out means."""
    if isinstance(value, dict):
        return {key: kept for key, one in value.items() if (kept := normal(one)) not in (None, [], {}, "")}
    return [normal(one) for one in value] if isinstance(value, list) else value


@given(documents())
def test_whatever_a_document_says_the_form_says_it_again(found: dict[str, Any]) -> None:
    from django.http import QueryDict

    data = QueryDict(mutable=True)
    for name, value in sent(found).items():
        data.setlist(name, value if isinstance(value, list) else [value])
    assert normal(document_of(data)) == normal(found)
    assert form_of(found).wrong == 0


@pytest.mark.parametrize(
    ("rules", "windows"), [(100, 1), (105, 1), (1, 60), (40, 50)], ids=["most", "too many", "hours", "thousands"]
)
def test_a_large_rule_set_goes_through_the_form_whole(head: Client, rules: int, windows: int) -> None:
    hours = [{"days": ["mon"], "from": f"{n // 4:02d}:{n % 4 * 15:02d}", "to": "23:59"} for n in range(windows)]
    large = {**whole(), "rules": [{"rule": "trading_hours", "zone": "UTC", "windows": hours} for _ in range(rules)]}
    answer = head.post(EDIT, sent(large))
    assert answer.status_code == 302
    assert RuleSetDraft.objects.get().document == large


def choices() -> list[tuple[str, str, str]]:
    return [
        (kind, spec.path, value)
        for kind, (_, specs) in RULES.items()
        for spec in specs
        if spec.path in {"consequence", "outside"}
        for value, _ in spec.choices
    ]


@pytest.mark.parametrize(("kind", "path", "value"), choices())
def test_the_form_offers_no_consequence_that_the_engine_refuses(kind: str, path: str, value: str) -> None:
    begun = {"operator": "<"} if kind.endswith("_loss") else {"deny": ["BTCUSD"]} if kind == "symbols" else {}
    plans.check_document(whole(**{"rule": kind, **START[kind], **begun, path: value}))
