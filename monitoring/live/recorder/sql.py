"""Records into rows: every statement is safe to run twice."""

from __future__ import annotations

import json
import uuid
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from monitoring.engine.money import to_decimal
from monitoring.live.recorder.records import AnyRecord, EnforcementRecord, EventRecord

MOST_USED = Decimal("99999999.9999")  # what the column holds

INSERT_EVENT = """
INSERT INTO monitoring_riskevent (
  id, key, shard, epoch, account_id, challenge_id, event, rule, severity, at, ingested_at, floor, measured, room, used,
  operator, reason, consequence, also, step, rule_set_version, mode, detail, lease_owner)
VALUES (
  %(id)s, %(key)s, %(shard)s, %(epoch)s, %(account)s, %(challenge)s, %(event)s, %(rule)s, %(severity)s, %(at)s,
  clock_timestamp(), %(floor)s, %(measured)s, %(room)s, %(used)s, %(operator)s, %(reason)s, %(consequence)s, %(also)s,
  %(step)s, %(rule_set_version)s, %(mode)s, %(detail)s, '')
ON CONFLICT (key) DO NOTHING
"""

# A breach ends the challenge; a pause holds it until the reset that resumes it. A review is a person's to end.
MOVE_CHALLENGE = """
UPDATE accounts_challenge SET state = %(state)s::varchar, state_reason = %(reason)s,
  ended_at = CASE WHEN %(state)s::varchar = 'failed' THEN %(at)s::timestamptz ELSE ended_at END
WHERE id = %(challenge)s AND state = ANY(%(from)s)
"""
RUNNING = ["active", "paused"]
FROM_STATES = {"failed": RUNNING, "paused": ["active"], "active": ["paused"], "review": RUNNING}

UPSERT_ENFORCEMENT = """
INSERT INTO monitoring_enforcement (
  event_key, account_id, state, requested_at, sent_at, accepted_at, flat_at, locked_at, attempts, equity_at_detection,
  lowest_equity, equity_after, commands, last_error, updated_at)
VALUES (
  %(event_key)s, %(account)s, %(state)s, %(requested_at)s, %(sent_at)s, %(accepted_at)s, %(flat_at)s, %(locked_at)s,
  %(attempts)s, %(equity_at_detection)s, %(lowest_equity)s, %(equity_after)s, %(commands)s, %(last_error)s, now())
ON CONFLICT (event_key) DO UPDATE SET
  state = excluded.state,
  requested_at = least(monitoring_enforcement.requested_at, excluded.requested_at),
  sent_at = coalesce(monitoring_enforcement.sent_at, excluded.sent_at),
  accepted_at = coalesce(monitoring_enforcement.accepted_at, excluded.accepted_at),
  flat_at = excluded.flat_at, locked_at = excluded.locked_at,
  attempts = greatest(monitoring_enforcement.attempts, excluded.attempts),
  equity_at_detection = coalesce(monitoring_enforcement.equity_at_detection, excluded.equity_at_detection),
  lowest_equity = least(monitoring_enforcement.lowest_equity, excluded.lowest_equity),
  equity_after = coalesce(excluded.equity_after, monitoring_enforcement.equity_after),
  commands = CASE WHEN jsonb_array_length(excluded.commands) >= jsonb_array_length(monitoring_enforcement.commands)
             THEN excluded.commands ELSE monitoring_enforcement.commands END,
  last_error = excluded.last_error, updated_at = now()
"""


def write(cursor: psycopg.Cursor[Any], record: AnyRecord) -> uuid.UUID | None:
    """Write one record; returns the id of an event's row if this call made it."""
    if isinstance(record, EventRecord):
        return _write_event(cursor, record)
    if isinstance(record, EnforcementRecord):
        cursor.execute(UPSERT_ENFORCEMENT, _enforcement_row(record))
    else:
        _move_challenge(cursor, record.challenge, record.state, record.reason, None)
    return None


def _write_event(cursor: psycopg.Cursor[Any], record: EventRecord) -> uuid.UUID | None:
    row = _event_row(record)
    cursor.execute(INSERT_EVENT, row)
    made = cursor.rowcount == 1
    if made and record.challenge_state and record.challenge is not None:
        _move_challenge(cursor, record.challenge, record.challenge_state, record.reason, record.at)
    return row["id"] if made else None


def _move_challenge(cursor: psycopg.Cursor[Any], challenge: int, state: str, reason: str, at: Any) -> None:
    cursor.execute(
        MOVE_CHALLENGE,
        {
            "challenge": challenge,
            "state": state,
            "reason": "" if state == "active" else _storable(reason),
            "at": at,
            "from": FROM_STATES[state],
        },
    )


def _event_row(record: EventRecord) -> dict[str, Any]:
    def money(minor: int | None) -> Decimal | None:
        return None if minor is None else to_decimal(minor, record.digits)

    detail: dict[str, Any] = {}
    if record.day is not None:
        detail["day"] = record.day.isoformat()
    for name in ("day_start_balance", "day_start_equity"):
        if (amount := money(getattr(record, name))) is not None:
            detail[name] = str(amount)
    if record.positions:
        detail["positions"] = [_storable(ident) for ident in record.positions]
    if record.calendar_revision:
        detail["calendar_revision"] = record.calendar_revision
    return {
        "id": uuid.uuid4(),
        "key": _storable(record.key)[:255],
        "shard": record.shard,
        "epoch": record.epoch,
        "account": record.account,
        "challenge": record.challenge,
        "event": record.event,
        "rule": record.rule,
        "severity": record.severity,
        "at": record.at,
        "floor": money(record.floor),
        "measured": money(record.measured),
        "room": money(record.room),
        "used": None if record.used is None else _share(record.used),
        "operator": record.operator,
        "reason": _storable(record.reason),
        "consequence": record.consequence,
        "also": Jsonb(record.also),
        "step": record.step,
        "rule_set_version": record.rule_set_version,
        "mode": record.mode,
        "detail": Jsonb(detail),
    }


def _enforcement_row(record: EnforcementRecord) -> dict[str, Any]:
    def money(minor: int | None) -> Decimal | None:
        return None if minor is None else to_decimal(minor, record.digits)

    return {
        "event_key": _storable(record.event_key)[:255],
        "account": record.account,
        "state": record.state,
        "requested_at": record.requested_at,
        "sent_at": record.sent_at,
        "accepted_at": record.accepted_at,
        "flat_at": record.flat_at,
        "locked_at": record.locked_at,
        "attempts": record.attempts,
        "equity_at_detection": money(record.equity_at_detection),
        "lowest_equity": money(record.lowest_equity),
        "equity_after": money(record.equity_after),
        "commands": Jsonb(record.commands, dumps=_storable_json),
        "last_error": _storable(record.last_error),
    }


def _share(used: str) -> Decimal:
    """As it is shown and as replay prints it: four digits, rounded half up."""
    return min(Decimal(used), MOST_USED).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _storable(text: str) -> str:
    """Without the one character that PostgreSQL's text cannot hold: an upstream may send it in a name."""
    return text.replace("\0", "\ufffd")


def _storable_json(value: Any) -> str:
    return json.dumps(value).replace("\\u0000", "\\ufffd")
