"""Runs recorded frames through the same decode, snapshot and rules as the live path, and prints every event."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from monitoring.engine.events import Event, EventKind, Reading
from monitoring.engine.messages import AccountUpdate, Clock, Envelope, Instant, Link, Message, Resync
from monitoring.engine.money import money_text
from monitoring.engine.rules import process, readings, refuse
from monitoring.engine.ruleset import RuleSet, RuleSetError, parse_rule_set
from monitoring.engine.snapshot import Snapshot
from monitoring.upstream.base import Refusal
from monitoring.upstream.fxsocket.decode import EARLIEST, LATEST, WIRE_ERRORS, decode

_OURS = (b'"clock"', b'"link"', b'"resync"')  # kinds that a recording has beside the upstream's own frames
_ours = msgspec.json.Decoder(Clock | Link | Resync)


_STAMP = re.compile(rb'"(?:ts|timestamp)"\s*:\s*"([^"\\]{1,64})"')  # found in a line that is no JSON as well
_encode = msgspec.json.Encoder().encode
_USED = Decimal("0.0001")


class Command(BaseCommand):
    """Needs neither database nor network; the same input gives byte for byte the same output."""

    help = "Replay recorded upstream frames (one JSON object a line) under a rule set; print one event a line."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare FRAMES, --rules and --readings."""
        parser.add_argument("frames", type=Path, metavar="FRAMES.jsonl")
        parser.add_argument("--rules", type=Path, required=True, metavar="RULES.json")
        parser.add_argument("--readings", action="store_true", help="also print every loss rule's reading, each update")

    def handle(self, *args: Any, frames: Path, rules: Path, **options: Any) -> None:
        """Print the events; exit code 2 for a file that cannot be used."""
        rule_set = read_rules(rules)
        for warning in rule_set.warnings:
            self.stderr.write(f"{rules}: warning: {warning}")
        try:
            with frames.open("rb") as recorded:
                for line in replay(recorded, rule_set, with_readings=options["readings"]):
                    self.stdout.write(line)
        except BrokenPipeError:
            raise CommandError("the reader of the output went away", returncode=1) from None
        except OSError as error:
            raise CommandError(f"{frames}: {error.strerror}", returncode=2) from None


def read_rules(path: Path) -> RuleSet:
    """Read and compile a rule set; CommandError with exit code 2 names the file, the path inside it and the problem."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise CommandError(f"{path}: a rule set is a JSON object", returncode=2)
        return parse_rule_set(document)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None
    except RuleSetError as error:
        problems = "\n".join(f"{path}: {where or 'rule set'}: {message}" for where, message in error.errors)
        raise CommandError(problems, returncode=2) from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or a number of thousands of digits
        raise CommandError(f"{path}: not JSON: {error}", returncode=2) from None


def replay(frames: Iterable[bytes], rule_set: RuleSet, *, with_readings: bool = False) -> Iterator[str]:
    """Yield one JSON line for every event, and with them every reading, in the order in which they happen."""
    snapshot = Snapshot()
    newest: datetime | None = None
    for number, line in enumerate(frames, 1):
        if not line.strip():
            continue
        message = _read(line.strip(), newest)
        if isinstance(message, Refusal):
            yield _refused(snapshot, message, number, _stamp_of(line) or newest, rule_set.version)
            continue
        if message is None:
            continue
        if not isinstance(message, Link) and (newest is None or message.ts > newest):
            newest = message.ts
        if isinstance(message, Envelope | Resync) and message.account_id not in snapshot.accounts:
            snapshot.add(message.account_id, rule_set)
        yield from map(_event_line, process(snapshot, message))
        if with_readings and isinstance(message, AccountUpdate):
            account = snapshot.accounts[message.account_id]
            if account.last is message:  # applied: neither late nor repeated
                for reading in readings(account, max(message.ts, snapshot.link.now or message.ts)):
                    yield _reading_line(reading, message.ts, account.id, rule_set.digits)


def _read(line: bytes, newest: datetime | None) -> Message | Refusal | None:
    """Decode one line; a frame about no account is a sign of life of the link, at its own time or the newest known."""
    if any(kind in line for kind in _OURS):
        try:
            message: Clock | Link | Resync = _ours.decode(line)
        except msgspec.ValidationError as error:
            if "Invalid value" not in str(error):  # one of these kinds, but not a sound one
                return Refusal("wrong_type", str(error))
        except WIRE_ERRORS as error:
            return Refusal("bad_json", str(error))
        else:
            if 1999 < message.ts.year < 2100:
                return message
            return Refusal("bad_time", f"{message.ts.isoformat()} is no time of this century - at `$.ts`")
    found = decode(line)
    if isinstance(found, Envelope | Refusal):
        return found
    stamp = _stamp_of(line) or newest
    return None if stamp is None else Link(ts=stamp, state="alive")


def _stamp_of(line: bytes) -> datetime | None:
    """Return the time that a line states about itself, None where it states none that can be read."""
    found = _STAMP.search(line)
    if found is None:
        return None
    try:
        stamp = msgspec.convert(found.group(1).decode("utf-8", "replace"), Instant)
    except msgspec.ValidationError:
        return None
    return stamp if EARLIEST < stamp < LATEST else None


def _refused(snapshot: Snapshot, refusal: Refusal, number: int, at: datetime | None, version: int) -> str:
    account = snapshot.accounts.get(refusal.account_id or "")
    if at is not None:
        refuse(snapshot, account, refusal.reason, refusal.detail, at)
    line = _line(at, refusal.account_id, EventKind.REFUSED.value)
    reason = f"line {number}: {refusal.reason}: {refusal.detail}"
    return _text(line | {"reason": reason, "rule_set_version": version})


def _event_line(event: Event) -> str:
    digits = event.digits
    line = _line(event.at, event.account, event.event.value) | {
        "rule": event.rule,
        "floor": _money(event.floor, digits),
        "measured": _money(event.measured, digits),
        "room": _money(event.room, digits),
        "used": _used(event.used),
        "operator": event.operator,
        "reason": event.reason,
        "rule_set_version": event.rule_set_version,
    }
    if event.event is EventKind.BREACHED:
        line |= {"consequence": event.consequence, "also": list(event.also)}
    elif event.event is EventKind.DAY_STARTED:
        line |= {
            "day": event.day.isoformat() if event.day else None,
            "day_start_balance": _money(event.day_start_balance, digits),
            "day_start_equity": _money(event.day_start_equity, digits),
        }
    return _text(line)


def _reading_line(reading: Reading, at: datetime, account: str, digits: int) -> str:
    return _text(
        _line(at, account, "reading")
        | {
            "rule": reading.rule,
            "floor": _money(reading.floor, digits),
            "measured": _money(reading.measured, digits),
            "room": _money(reading.room, digits),
            "used": _used(reading.used),
            "operator": reading.operator,
            "reason": reading.reason,
            "rule_set_version": reading.rule_set_version,
            "state": reading.state.value,
        }
    )


def _line(at: datetime | None, account: str | None, event: str) -> dict[str, Any]:
    empty = dict.fromkeys(("rule", "floor", "measured", "room", "used", "operator", "reason", "rule_set_version"))
    return {"at": _instant(at), "account": account, "event": event} | empty


def _instant(at: datetime | None) -> str | None:
    if at is None:
        return None
    precision = "seconds" if at.microsecond == 0 else "microseconds" if at.microsecond % 1000 else "milliseconds"
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _money(minor: int | None, digits: int) -> str | None:
    return None if minor is None else money_text(minor, digits)


def _used(used: Decimal | None) -> str | None:
    return None if used is None else f"{used.quantize(_USED, ROUND_HALF_UP):f}"


def _text(line: dict[str, Any]) -> str:
    return _encode(line).decode()
