"""What the calls do: the same as the pages, with the same refusals, named by field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import challenges, overrides
from accounts.models import AuditEntry, CalendarRevision, NewsAnnouncement, RuleOverride, Server, SymbolName, User
from monitoring.engine.ruleset import RuleSetError, load_document
from tests.accounts.api.conftest import Caller
from tests.accounts.book import AT, a_challenge, a_document, daily_of, newest, phase_of

Make = Callable[[str], Caller]
NEWS = "uid,at,currency,impact,title,symbols\nnfp,2026-12-04T13:30:00Z,USD,high,Payrolls,\n"
HALF = {"reference": "day_start_balance", "amount": {"percent": "2.5", "of": "initial"}, "measured": "equity"}
HALF |= {"operator": "<", "consequence": "fail"}


@pytest.fixture
def head(caller: Make) -> Caller:
    return caller("head_of_risk")


def paths(answer: Any) -> list[str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return [error["path"] for error in answer.json()["errors"]]


def test_a_plan_is_made_listed_exported_and_imported(head: Caller) -> None:
    made = head.post("/plans", {"slug": "our", "name": "Our", "preset": "ftmo-2-step"})
    assert (made.status_code, made.json()["preset"], len(made.json()["phases"])) == (201, "ftmo-2-step", 3)
    assert [plan["slug"] for plan in head.get("/plans").json()] == ["our"]
    out = head.get("/plans/our/export").json()
    assert head.post("/plans/import", out).status_code == 409
    assert head.post("/plans/import", {**out, "slug": "copy"}).status_code == 201
    out["phases"][0]["clear_below"] = "0.70"
    assert head.post("/plans/import?update=true&reason=from+git", out).status_code == 201
    versions = head.get("/plans/our/phases/phase-1/versions").json()
    assert (versions[0]["version"], versions[0]["reason"]) == (2, "from git")


def test_an_import_is_refused_by_path(head: Caller) -> None:
    out = {"slug": "x", "name": "X", "phases": [{"slug": "a", "name": "A", **a_document()}]}
    out["phases"][0]["rules"][0]["operator"] = "about"  # type: ignore[index]
    made = head.post("/plans/import", out)
    assert made.status_code == 422
    assert paths(made) == ["phases[0].rules[0].operator"]


def test_a_version_is_published_and_its_errors_are_at_their_fields(head: Caller) -> None:
    phase = phase_of()
    where = "/plans/two-step/phases/phase-1/versions"
    document = daily_of(newest(phase).document, "4")
    made = head.post(where, {"document": document, "reason": "tighter", "base_version": 1})
    assert (made.status_code, made.json()["version"], made.json()["author"]) == (201, 2, "head_of_risk")
    assert head.post(where, {"document": document, "reason": "again"}).status_code == 409
    assert paths(head.post(where, {"document": daily_of(document, "500"), "reason": ""})) == [
        "document.rules[0].amount.percent"
    ]
    assert paths(head.post(where, {"document": document, "reason": ""})) == ["reason"]
    assert paths(head.post(where, {"document": document, "reason": "r", "why": 1})) == ["why"]
    assert head.get("/plans/two-step/phases/none/versions").status_code == 404


def test_one_call_sets_and_ends_an_override_for_many(caller: Make) -> None:
    officer = caller("risk_officer")
    a_challenge()
    a_challenge("acc_2")
    ends = (timezone.now() + timedelta(days=30)).isoformat()
    asked = {"action": "set", "accounts": ["acc_1", "acc_2", "acc_1"], "rule": "daily_loss", "replacement": HALF}
    made = officer.post("/overrides", {**asked, "reason": "on probation", "ends_at": ends})
    assert made.status_code == 200
    assert [(one["account"], one["holds"]) for one in made.json()] == [("acc_1", True), ("acc_2", True)]
    book = officer.get("/accounts/acc_1/rulebook").json()
    assert (book["version"], book["document"]["rules"][0]["amount"]["percent"]) == (1, "2.5")
    assert book["overrides"][0]["reason"] == "on probation"
    assert book["sentences"][0].startswith("The challenge fails when equity falls below")
    ended = officer.post("/overrides", {"action": "end", "accounts": ["acc_1"], "rule": "daily_loss", "reason": "over"})
    assert ended.json()[0]["ended_by"] == "risk_officer"
    assert officer.get("/accounts/acc_1/rulebook").json()["overrides"] == []
    assert len(officer.get("/accounts/acc_1/overrides").json()) == 1
    again = officer.post("/overrides", {"action": "end", "accounts": ["acc_1"], "rule": "daily_loss", "reason": "x"})
    assert (again.status_code, paths(again)) == (409, ["acc_1"])
    asked.pop("action")  # set is what is meant when nothing is said
    assert officer.post("/overrides", {**asked, "reason": "once more"}).status_code == 200
    exempt = {"action": "exempt", "accounts": ["acc_2"], "rule": "profit_target", "reason": "a demonstration"}
    assert officer.post("/overrides", exempt).status_code == 200
    assert AuditEntry.objects.filter(verb="override_set", actor_name="risk_officer").count() == 5


@pytest.mark.parametrize(
    ("changes", "status", "path"),
    [
        ({"replacement": {**HALF, "operator": "~"}}, 422, "acc_1.operator"),
        ({"replacement": None}, 422, "replacement"),
        ({"accounts": ["acc_1", "nobody"]}, 404, ""),
        ({"accounts": ["\0"]}, 404, ""),
        ({"accounts": []}, 422, "accounts"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, 422, "ends_at"),
        ({"ends_at": "2036-01-01T00:00:00"}, 422, "ends_at"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, 422, "ends_at"),
        ({"ordinal": 7}, 422, "acc_1.ordinal"),
        ({"rule": "daily\0loss"}, 422, "rule"),
        ({"action": "end", "rule": "a\0"}, 422, "replacement"),
        ({"action": "sometimes"}, 422, "action"),
        ({"reason": " "}, 422, "reason"),
        ({"unknown": 1}, 422, "unknown"),
    ],
)
def test_what_is_wrong_with_an_override_is_said(caller: Make, changes: dict[str, Any], status: int, path: str) -> None:
    a_challenge()
    asked = {"action": "set", "accounts": ["acc_1"], "rule": "daily_loss", "replacement": HALF, "reason": "r"}
    made = caller("risk_officer").post("/overrides", {**asked, **changes})
    assert made.status_code == status
    assert not path or path in paths(made)
    assert not RuleOverride.objects.exists()


def test_a_rulebook_of_the_past_can_be_asked_for(caller: Make) -> None:
    auditor = caller("auditor")
    challenge = a_challenge()
    started = challenge.started_at.isoformat()
    assert auditor.get("/accounts/acc_1/rulebook", at=started).status_code == 200
    before = (challenge.started_at - timedelta(days=1)).isoformat()
    assert auditor.get("/accounts/acc_1/rulebook", at=before).status_code == 404
    assert auditor.get("/accounts/acc_1/rulebook", at="yesterday").status_code == 422
    assert auditor.get("/accounts/nobody/rulebook").status_code == 404


def test_the_rulebook_that_judged_a_failed_challenge_is_told(caller: Make, people: dict[str, User]) -> None:
    challenge, head = a_challenge(), people["head_of_risk"]
    ends = AT + timedelta(hours=3)
    overrides.set_override(challenge.account, "max_positions", 0, {"positions": 3}, head, "r", ends, AT)
    challenges.fail(challenge, "4 positions", AT + timedelta(hours=2))
    told = caller("auditor").get("/accounts/acc_1/rulebook").json()
    assert told["document"]["rules"][-1] == {"rule": "max_positions", "positions": 3}
    assert [one["holds"] for one in told["overrides"]] == [True]


def test_news_come_as_csv_or_json_and_can_be_tried_first(caller: Make) -> None:
    officer = caller("risk_officer")
    tried = officer.post("/calendar/news?dry_run=true", NEWS, "text/csv")
    assert tried.json() | {"revision": None, "added": 1} == tried.json()
    assert not CalendarRevision.objects.exists()
    made = officer.post("/calendar/news?source=desk.csv", NEWS, "text/csv").json()
    assert (made["added"], made["source"], made["author"]) == (1, "desk.csv", "risk_officer")
    row = {"uid": "nfp", "at": "2026-12-04T15:00:00Z", "currency": "USD", "impact": "high", "title": "Payrolls"}
    changed = officer.post("/calendar/news", {"news": [row], "note": "moved"}).json()
    assert (changed["changed"], changed["note"]) == (1, "moved")
    assert officer.post("/calendar/news", {"news": [row]}).json()["revision"] is None
    first = officer.get("/calendar/news", revision=made["revision"]).json()
    assert [one["at"] for one in first] == ["2026-12-04T13:30:00Z"]
    assert officer.get("/calendar/news", revision=10**6).status_code == 404
    assert [one["revision"] for one in officer.get("/calendar/revisions").json()] == [
        changed["revision"],
        made["revision"],
    ]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (NEWS.replace("USD", "U"), "text/csv", 422),
        (b"\xff\xfe", "text/csv", 400),
        ("{", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("[]", "application/json", 400),
        ('{"news": [], "news": []}', "application/json", 422),
        ('{"news": [{"uid": NaN}]}', "application/json", 422),
        ('{"news": [{"uid": 1e999}]}', "application/json", 422),
        ('{"news": [{"uid": ' + "9" * 5000 + "}]}", "application/json", 400),
        ('{"news": [], "source": "\\ud800"}', "application/json", 422),
        (NEWS, "application/x-www-form-urlencoded", 415),
        (NEWS, "", 415),
        ("x" * 2_700_000, "text/csv", 413),
    ],
)
def test_a_body_that_is_none_is_refused(caller: Make, body: str | bytes, kind: str, status: int) -> None:
    made = caller("risk_officer").post("/calendar/news", body, kind)
    assert made.status_code == status
    assert not NewsAnnouncement.objects.exists()


def test_a_key_given_twice_is_told_in_the_words_of_replay(head: Caller) -> None:
    phase_of()
    text = '{"reason": "r", "document": {"rules": [{"rule": "max_positions", "positions": 3, "positions": 30}]}}'
    made = head.post("/plans/two-step/phases/phase-1/versions", text)
    assert made.status_code == 422
    with pytest.raises(RuleSetError) as replay:
        load_document(text)
    assert [(one["path"], one["message"]) for one in made.json()["errors"]] == replay.value.errors
    assert newest(phase_of()).version == 1


def test_holidays_are_imported_and_listed_by_server(caller: Make) -> None:
    officer = caller("risk_officer")
    Server.objects.create(name="main", kind="fxsocket")
    text = "server,day,name,closes,zone\n,2026-12-25,Christmas,,\nmain,2026-12-24,Eve,13:00,America/New_York\n"
    assert officer.post("/calendar/holidays", text, "text/csv").json()["added"] == 2
    rows = [{"server": "nowhere", "day": "2026-12-25", "name": "x"}]
    wrong = officer.post("/calendar/holidays", {"holidays": rows})
    assert (wrong.status_code, paths(wrong)) == (422, ["holidays[0].server"])
    assert [one["name"] for one in officer.get("/calendar/holidays", server="main").json()] == ["Eve", "Christmas"]
    assert [one["name"] for one in officer.get("/calendar/holidays", server="other").json()] == ["Christmas"]


def test_a_table_of_symbols_is_set(caller: Make) -> None:
    officer = caller("risk_officer")
    Server.objects.create(name="main server", kind="fxsocket")
    where = "/symbols/main%20server"
    assert officer.post(where, {"names": {"GOLD": "XAUUSD", "DAX": "GER40"}}).json()["added"] == 2
    assert officer.post(where, "raw,base,removed\nDAX,,yes\n", "text/csv").json()["removed"] == 1
    assert [(one["raw"], one["base"]) for one in officer.get(where).json()] == [("GOLD", "XAUUSD")]
    assert paths(officer.post(where, {"names": {"X": "a b"}})) == ["X.base"]
    assert SymbolName.objects.count() == 1
    assert officer.get("/symbols/%00").status_code == 404


@pytest.mark.parametrize("path", ["/plans?limit=0", "/plans?limit=x", "/plans?offset=-1", "/calendar/news?since=x"])
def test_a_wrong_query_is_named(head: Caller, path: str) -> None:
    made = head.get(path)
    assert made.status_code == 422
    assert paths(made) == [path.partition("?")[2].partition("=")[0]]


def test_an_address_that_is_none_is_a_problem_too(head: Caller) -> None:
    made = head.get("/nothing/here")
    assert (made.status_code, made.headers["Content-Type"]) == (404, "application/problem+json")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rules", "rule", "accounts", "news", "holidays", "names", "document", "reason", "slug"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
WHERE = ["/plans", "/plans/import", "/overrides", "/calendar/news", "/calendar/holidays", "/symbols/main"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=anything, path=st.sampled_from([*WHERE, "/plans/two-step/phases/phase-1/versions"]))
def test_no_json_makes_a_defect(monkeypatch_limits: None, head: Caller, body: Any, path: str) -> None:
    assert head.post(path, body).status_code in {400, 404, 409, 415, 422}  # an empty text is sent without a type


@pytest.fixture
def monkeypatch_limits(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    from accounts.api import auth

    monkeypatch.setattr(auth, "PER_MINUTE", 10**6)
    phase_of()
    Server.objects.create(name="main", kind="fxsocket")
