"""Runs recorded frames through the same decode, snapshot and rules as the live path, and prints every event."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from django.core.management.base import BaseCommand, CommandError

from accounts.calendar import CalendarError, HolidayRow, read_holidays_csv, read_news_csv
from accounts.models import Server
from monitoring.engine.events import Event, EventKind, Reading
from monitoring.engine.messages import AccountUpdate, Holiday, Market, NewsEvent
from monitoring.engine.money import money_text
from monitoring.engine.rules import readings
from monitoring.engine.ruleset import RuleSet, RuleSetError, load_document, parse_rule_set
from monitoring.engine.tape import Player, RecordingError
from monitoring.lab.frames import BadLine, Frames

_encode = msgspec.json.Encoder().encode
_USED = Decimal("0.0001")
BEFORE = datetime(2000, 1, 1, tzinfo=UTC)  # given calendars are known before the first frame
T = TypeVar("T")


class Command(BaseCommand):
    """Needs neither database nor network; the same input gives byte for byte the same output."""

    help = (
        "Replay recorded frames (one JSON object a line, plain or gzip; several files in order) and print one event a "
        "line. What the monitor recorded says its rules itself; --rules replaces them."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the files and the options."""
        parser.add_argument("frames", type=Path, nargs="+", metavar="FRAMES.jsonl[.gz]")
        parser.add_argument("--rules", type=Path, metavar="RULES.json", help="needed for frames that say no rules")
        parser.add_argument("--calendar", type=Path, metavar="NEWS.csv", help="news, as the calendar page imports them")
        parser.add_argument("--holidays", type=Path, metavar="HOLIDAYS.csv", help="holidays, as that page does")
        parser.add_argument("--readings", action="store_true", help="also print every loss rule's reading, each update")

    def handle(self, *args: Any, frames: list[Path], rules: Path | None, **options: Any) -> None:
        """Print the events; exit code 2 for a file that cannot be used."""
        rule_set = None if rules is None else read_rules(rules)
        for warning in rule_set.warnings if rule_set else ():
            self.stderr.write(f"{rules}: warning: {warning}")
        market = read_market(options["calendar"], options["holidays"])
        given = [name for option, name in (("calendar", "news"), ("holidays", "holidays")) if options[option]]
        try:
            recorded = Frames.of(frames)
            player = Player(rule_set, market, given)
            for line in replay(recorded, rule_set, player=player, with_readings=options["readings"]):
                self.stdout.write(line)
        except BrokenPipeError:
            raise CommandError("the reader of the output went away", returncode=1) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'output'}: {error.strerror}", returncode=2) from None
        except RecordingError as error:
            raise CommandError(f"{error} (--rules RULES.json)" if rules is None else str(error), returncode=2) from None
        except RuleSetError as error:
            raise CommandError(f"a rule set of the recording: {error}", returncode=2) from None
        for gap in player.gaps:
            span = f"{_instant(gap.ts)} to {_instant(gap.until)}"
            self.stderr.write(f"warning: the recording lacks {gap.lost} entries, {span} ({gap.reason})")
        if recorded.torn:
            self.stderr.write(f"warning: {recorded.torn} place(s) where a file was cut off or damaged")


def read_rules(path: Path) -> RuleSet:
    """Read and compile a rule set; CommandError with exit code 2 names the file, the path inside it and the problem."""
    try:
        return parse_rule_set(load_document(path.read_bytes()))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None
    except RuleSetError as error:
        problems = [f"{path}: {where or 'rule set'}: {message}" for where, message in error.errors]
        odd = [f"{path}: warning: {where or 'rule set'}: {message}" for where, message in error.warnings]
        raise CommandError("\n".join([*problems, *odd]), returncode=2) from None


def read_market(calendar: Path | None, holidays: Path | None) -> Market | None:
    """Read the CSV files of news and holidays; CommandError with exit code 2 names the file and the line."""
    if calendar is None and holidays is None:
        return None
    texts = {path: _text_of(path) for path in (calendar, holidays) if path is not None}
    revision = sha256("\0".join(texts.values()).encode()).hexdigest()[:12]
    news = [] if calendar is None else _rows(calendar, read_news_csv, texts[calendar])
    days = [] if holidays is None else _rows(holidays, _any_servers_holidays, texts[holidays])
    return Market(
        ts=BEFORE,
        revision=revision,
        news=tuple(
            NewsEvent(
                id=row.uid, at=row.at, currency=row.currency, impact=row.impact, title=row.title, symbols=row.symbols
            )
            for row in news
            if row.at is not None
        ),
        holidays=tuple(
            Holiday(day=row.day, name=row.name, closes=f"{row.closes:%H:%M}" if row.closes else None, zone=row.zone)
            for row in {row.day: row for row in days if not row.withdrawn}.values()
        ),
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8: {error.reason}", returncode=2) from None


def _rows(path: Path, read: Callable[[str], list[T]], text: str) -> list[T]:
    try:
        return read(text)
    except CalendarError as error:
        problems = "\n".join(f"{path}: {where or 'calendar'}: {message}" for where, message in error.errors)
        raise CommandError(problems, returncode=2) from None


def _any_servers_holidays(text: str) -> list[HolidayRow]:
    """Replay knows no servers: a holiday of any of them counts."""
    return read_holidays_csv(text, _Unsaved())


class _Unsaved(dict[str, Server]):
    """Every name is a server's."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        """A server of that name; none where no name is given."""
        return Server(name=name) if name else default


def replay(
    frames: Frames | Iterable[bytes],
    rule_set: RuleSet | None,
    *,
    player: Player | None = None,
    with_readings: bool = False,
) -> Iterator[str]:
    """Yield one JSON line for every event, and with them every reading, in the order in which they happen."""
    player = player or Player(rule_set)
    version = None if rule_set is None else rule_set.version
    for line in frames if isinstance(frames, Frames) else Frames([frames]):
        if isinstance(line, BadLine):
            yield _refused(player, line, version)
            continue
        yield from map(_event_line, player.play(line))
        if with_readings and isinstance(line, AccountUpdate):
            yield from _readings(player, line)


def _readings(player: Player, update: AccountUpdate) -> Iterator[str]:
    """The readings of an update that was applied: neither late nor repeated."""
    account = player.snapshot.accounts.get(update.account_id)
    if account is not None and account.last is update:
        for reading in readings(account, max(update.ts, player.snapshot.link.now or update.ts)):
            yield _reading_line(reading, update.ts, account.id, account.rule_set.digits)


def _refused(player: Player, bad: BadLine, version: int | None) -> str:
    refusal = bad.refusal
    bad.doubt(player.snapshot)
    line = _line(bad.at, refusal.account_id, EventKind.REFUSED.value)
    reason = f"{bad.place}: {refusal.reason}: {refusal.detail}"
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
    elif event.event is EventKind.VIOLATED:
        line |= {
            "consequence": event.consequence,
            "positions": list(event.positions),
            "calendar_revision": event.revision or None,
        }
    elif event.event is EventKind.DAY_STARTED:
        line |= {
            "day": event.day.isoformat() if event.day else None,
            "day_start_balance": _money(event.day_start_balance, digits),
            "day_start_equity": _money(event.day_start_equity, digits),
        }
    if event.event is not EventKind.VIOLATED:  # which always has them
        line |= {"positions": list(event.positions)} if event.positions else {}
        line |= {"calendar_revision": event.revision} if event.revision else {}
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
