"""Every answer of a webhook read for what it means; hostile names made harmless; the secret never shown."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.transports import slack as module
from alerts.transports.base import Message, TransportError, parse_retry_after, redacted
from alerts.transports.slack import SlackWebhook, escaped, payload
from tests.alerts.fake_slack import PATH, Answer, FakeSlack

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
MESSAGE = Message(
    severity="critical",
    glyph="■",
    title="Breach of the daily loss, account 8410001",
    text="Equity 94,812.10 is below the daily floor 95,000.00.",
    facts=(("Account", "8410001"), ("Server", "MT5-2")),
    link="http://127.0.0.1:8000/accounts/acc_1/",
    at=NOW,
)


def failure(slack: FakeSlack, answer: Answer) -> TransportError:
    slack.script(answer)
    with pytest.raises(TransportError) as caught:
        SlackWebhook(slack.url, clock=lambda: NOW).send(MESSAGE)
    return caught.value


def test_a_yes_is_a_receipt_and_the_text_stands_beside_the_blocks(slack: FakeSlack) -> None:
    receipt = SlackWebhook(slack.url).send(MESSAGE)
    assert (receipt.status, receipt.excerpt) == (200, "ok")
    [shown] = slack.shown
    assert shown["text"].startswith("■ Breach of the daily loss, account 8410001")
    assert [block["type"] for block in shown["blocks"]] == ["header", "section", "section", "context"]


@pytest.mark.parametrize("body", ["ok", "", '{"ok": true}', "{}"])
def test_other_ways_of_saying_yes(slack: FakeSlack, body: str) -> None:
    slack.script(Answer(body=body, shown=True))
    assert SlackWebhook(slack.url).send(MESSAGE).status == 200


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, "invalid_payload"),
        (400, "invalid_blocks"),
        (403, "action_prohibited"),
        (404, "no_service"),
        (410, "channel_is_archived"),
        (200, '{"ok": false, "error": "channel_not_found"}'),
        (302, ""),
    ],
)
def test_what_will_never_work_is_permanent(slack: FakeSlack, status: int, body: str) -> None:
    error = failure(slack, Answer(status=status, body=body))
    assert (error.permanent, error.ambiguous) == (True, False)
    assert slack.received() == 1  # no redirect was followed


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0.376", 0.376),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        ("86400", 86400.0),  # the cap is the dispatcher's
        ("soon", 0.0),
        ("-3", 0.0),
        (None, 0.0),
    ],
)
def test_too_many_requests_waits_as_long_as_slack_says(slack: FakeSlack, header: str | None, wait: float) -> None:
    headers = (("Retry-After", header),) if header else ()
    error = failure(slack, Answer(status=429, body="rate_limited", headers=headers))
    assert (error.permanent, error.ambiguous, error.retry_after) == (False, False, wait)


@pytest.mark.parametrize(
    "answer", [Answer(500, "oops"), Answer(503, ""), Answer(200, '{"ok":false,"error":"fatal_error"}')]
)
def test_failures_of_slacks_own_are_tried_again(slack: FakeSlack, answer: Answer) -> None:
    error = failure(slack, answer)
    assert (error.permanent, error.ambiguous) == (False, False)


@pytest.mark.parametrize("answer", [Answer(reset=True, shown=True), Answer(body="<html>Sign in to the hotel</html>")])
def test_no_usable_answer_after_the_message_left_is_ambiguous(slack: FakeSlack, answer: Answer) -> None:
    error = failure(slack, answer)
    assert (error.permanent, error.ambiguous) == (False, True)


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(trickle=True)])
def test_a_hanging_or_trickling_answer_ends_within_the_limit(
    slack: FakeSlack, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.5)
    assert failure(slack, answer).ambiguous


def test_a_refused_connection_surely_sent_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransportError) as caught:
        SlackWebhook(f"http://127.0.0.1:{port}{PATH}").send(MESSAGE)
    assert (caught.value.permanent, caught.value.ambiguous) == (False, False)


@pytest.mark.parametrize(
    "answer",
    [Answer(500, f"POST {PATH} failed; see https://hooks.slack.com{PATH}"), Answer(reset=True), Answer(404, PATH)],
)
def test_no_failure_shows_the_secret(slack: FakeSlack, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="alerts")
    error = failure(slack, answer)
    said = f"{error} {error.reason} {error.excerpt} {error.code} {error.__cause__} {caplog.text}"
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("<!channel>", "&lt;\u200b!channel&gt;"),
        ("@channel and @here", "@\u200bchannel and @\u200bhere"),
        ("*bold* _it_", "\u2217bold\u2217 \uff3fit\uff3f"),
        ("acc_1_2", "acc_1_2"),
        ("a\r\nb\x00c", "a b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("{{7*7}}", "{{7*7}}"),
        ("R&D <http://evil|click>", "R&amp;D &lt;http://evil|click&gt;"),
    ],
)
def test_hostile_names_become_harmless(name: str, harmless: str) -> None:
    assert escaped(name) == harmless


@given(
    title=st.text(max_size=300),
    text=st.text(max_size=9000),
    facts=st.lists(st.tuples(st.text(), st.text(max_size=3000)), max_size=14),
)
def test_every_message_keeps_slacks_limits(title: str, text: str, facts: list[tuple[str, str]]) -> None:
    built = payload(Message("warning", "▲", title, text, tuple(facts), "http://x/", NOW, "n"))
    assert len(built["blocks"]) <= 50
    assert len(built["text"]) <= 4000
    for block in built["blocks"]:
        if block["type"] == "header":
            assert len(block["text"]["text"]) <= 150
        elif "text" in block:
            assert 0 < len(block["text"]["text"]) <= 3000
        for part in block.get("fields", []):
            assert len(part["text"]) <= 2000
        assert len(block.get("fields", [])) <= 10
    assert "<!" not in json.dumps(built, ensure_ascii=False)


def test_golden_message_with_hostile_names() -> None:
    name = "<!channel> & *Eve*\r\n@here"
    built = payload(
        Message(
            "warning",
            "▲",
            f"Warning: 83.1%, account {name}",
            f"Trader {name}.",
            (("Trader", name),),
            "http://d/a/1",
            NOW,
        )
    )
    safe = "&lt;\u200b!channel&gt; &amp; \u2217Eve\u2217 @\u200bhere"
    assert built == {
        "text": f"▲ Warning: 83.1%, account {safe} Trader {safe}.",
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": "▲ Warning: 83.1%, account <\u200b!channel> & *Eve* @\u200bhere",
                    "emoji": False,
                },
            },
            {"type": "section", "text": {"type": "mrkdwn", "text": f"Trader {safe}.", "verbatim": True}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": f"*Trader*\n{safe}", "verbatim": True}]},
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "2026-11-20 08:00:00 UTC · <http://d/a/1|Open in RiskDesk>"}],
            },
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


@given(value=st.text(max_size=60))
def test_any_retry_after_is_read_or_refused(value: str) -> None:
    wait = parse_retry_after(value, NOW)
    assert wait is None or wait >= 0


def test_redaction_takes_addresses_tokens_and_named_secrets() -> None:
    said = redacted("see https://hooks.slack.com/services/T/B/x, Bearer abc, xoxb-1-2, hush", "hush")
    assert said == "see [address] [redacted] [redacted], [redacted]"


def test_an_answer_that_cannot_be_unpacked_is_an_answer_nobody_understands(slack: FakeSlack) -> None:
    """It must end as an outcome: an error that escapes leaves the delivery with a dead lease."""
    error = failure(slack, Answer(body="no gzip at all", headers=(("Content-Encoding", "gzip"),), shown=True))
    assert error.ambiguous


@pytest.mark.parametrize(
    "said",
    [
        PATH.rsplit("/", 1)[-1],
        json.dumps({"ok": False, "error": "no", "url": f"https://hooks.slack.com{PATH}"}).replace("/", "\\/"),
        f"no route for {PATH.upper()}",
        PATH.replace("/", "%2F"),
    ],
)
def test_no_answer_that_echoes_a_part_of_the_address_is_kept(slack: FakeSlack, said: str) -> None:
    error = failure(slack, Answer(500, said))
    kept = f"{error} {error.excerpt} {error.code}".lower()
    assert PATH.rsplit("/", 1)[-1].lower() not in kept
    assert "b0desk" not in kept


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x9b", "\u061c"])
def test_no_sign_in_a_name_breaks_its_line(sign: str) -> None:
    assert escaped(f"a{sign}b") == "a b"
