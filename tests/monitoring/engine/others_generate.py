"""Hostile days for the rules of section 6: frames that crowd around every limit in space and time.

Plain JSON out, drawn from one `random.Random`: the same seed gives the same day, and no verdict is known here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.monitoring.engine.oracle import day_at
from tests.monitoring.engine.others_documents import NAMES, ZONES, draw_document

STARTS = ("2026-03-26T12:00", "2026-03-07T03:00", "2026-10-22T20:00", "2026-10-31T09:00", "2026-06-10T09:00",
          "2026-06-12T20:30", "2026-12-30T15:00")  # fmt: skip
NUDGES = (0, 0, 0, 1, -1, 1000, -1000, 200, -200)  # milliseconds beside an instant that matters
REASONS = ("client", "client", "client", "sl", "tp", "so", "risk_engine", "manual")
ACTIONS = {"update": 30, "open": 20, "close": 13, "part": 6, "modify": 8, "clock": 12, "ticks": 2, "money": 4,
           "market": 3, "reading": 4, "again": 4, "outage": 2, "lost": 2, "dip": 1, "refuse": 1, "alive": 3,
           "review": 1}  # fmt: skip


class Day(NamedTuple):
    """One account's story."""

    document: dict[str, Any]
    created: datetime | None
    frames: list[dict[str, Any]]


def draw_day(seed: int, length: int = 120, *, lags: bool = True) -> Day:
    """Return the story of a seed; `lags`: now and then a frame bears an earlier time than the one before it."""
    return Story(random.Random(seed), lags=lags).tell(length)


def text(at: datetime) -> str:
    """A time as an upstream writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Story:
    """The truth of an account at its upstream, and what is sent of it."""

    def __init__(self, rng: random.Random, *, lags: bool = True) -> None:
        self.rng, self.lags = rng, lags
        self.document = draw_document(rng)
        start = datetime.fromisoformat(rng.choice(STARTS)).replace(tzinfo=UTC)
        self.now = start + timedelta(minutes=rng.randrange(600))
        self.began = self.now
        self.size = float(self.document["initial_balance"])
        self.balance = self.size
        self.moved = self.floating = 0.0
        self.positions: dict[str, dict[str, Any]] = {}
        self.numbered = rng.random() < 0.7
        self.counted = rng.random() < 0.7  # whether updates state how many positions are open
        self.timed = rng.random() < 0.8  # whether positions state when they were opened
        self.seq = self.made = self.revision = 0
        self.status = "connected"
        self.held = False
        self.day: date | None = None
        self.start = 0.0  # closed profit when the day began
        self.results: list[float] = []  # of the days that have ended
        self.sent: list[dict[str, Any]] = []
        self.news: list[dict[str, Any]] = []
        self.holidays: list[dict[str, Any]] = []

    def tell(self, length: int) -> Day:
        created = None
        if self.rng.random() < 0.5:
            created = self.now - timedelta(seconds=self.rng.choice((0, 5, 3600, 86400, 5 * 86400)))
        if self.rng.random() < 0.8:
            self.market()
        if self.rng.random() < 0.9:
            self.update()
        words, weights = list(ACTIONS), list(ACTIONS.values())
        while len(self.sent) < length:
            action = self.rng.choices(words, weights)[0]
            if self.pass_time() and self.rng.random() < 0.6:  # at an instant that matters, rather something sharp
                action = self.rng.choice(("open", "close", "part", "clock", "update"))
            getattr(self, "review" if self.held and self.rng.random() < 0.1 else action)()
        return Day(self.document, created, self.sent)

    # -- time

    def pass_time(self) -> bool:
        """Let time pass; whether it came to an instant that matters."""
        roll = self.rng.random()
        if roll < 0.45:
            self.now += timedelta(milliseconds=self.rng.choice((1, 10, 200, 1000, 4000, 15000)))
        elif roll < 0.60:
            self.now += timedelta(seconds=self.rng.choice((29, 30, 31, 45, 60, 61, 120)))
        elif roll < 0.90:
            self.approach()
        elif roll < 0.97:
            self.now += timedelta(minutes=self.rng.choice((5, 30, 120, 420)))
        else:
            self.now += timedelta(hours=self.rng.choice((20, 24, 48, 70)))
        return 0.60 <= roll < 0.90

    def approach(self) -> None:
        """Go to an instant that matters, most often with fresh figures just before it."""
        marks = sorted(at for at in self.marks() if at > self.now)
        if not marks:
            return
        mark = self.rng.choice(marks[:3])
        before = mark - timedelta(seconds=self.rng.choice((1.5, 3, 20, 29)))
        if before > self.now and self.rng.random() < 0.8:
            self.now = before
            self.update()
        self.now = max(self.now, mark + timedelta(milliseconds=self.rng.choice(NUDGES)))

    def marks(self) -> Iterator[datetime]:
        """Resets, window edges, deadlines and their warnings, announcements' windows, stops that are due."""
        days = [self.now.date() + timedelta(days=offset) for offset in (-1, 0, 1, 2)]
        yield from (self.local(day, self.document["reset"]["time"], self.document["reset"]["zone"]) for day in days)
        for rule in self.document["rules"]:
            if rule["rule"] == "trading_hours":
                walls = {window[end] for window in rule["windows"] for end in ("from", "to")}
                yield from (self.local(day, wall, rule["zone"]) for day in days for wall in walls)
            elif rule["rule"] == "flat_by":
                for day in (*days, *(day + timedelta(days=3) for day in days)):
                    at = self.local(day, rule["time"], rule["zone"])
                    yield from (at, at - timedelta(minutes=rule.get("warn_minutes", 0)))
                    yield self.local(day, "00:00", rule["zone"])
            elif rule["rule"] == "news_window":
                for news in self.news:
                    at = datetime.fromisoformat(news["at"])
                    yield at - timedelta(minutes=rule["before_minutes"])
                    yield at + timedelta(minutes=rule["after_minutes"])
                    if hours := rule.get("exempt_if_opened_before_hours"):
                        yield at - timedelta(hours=hours)
            elif rule["rule"] == "stop_loss_required":
                for position in self.positions.values():
                    yield position["opened"] + timedelta(seconds=rule["within_seconds"])
            elif rule["rule"] == "inactivity":
                yield self.began + timedelta(days=rule["days"])
                yield self.last_open + timedelta(days=rule["days"])

    @property
    def last_open(self) -> datetime:
        opened: list[datetime] = [position["opened"] for position in self.positions.values()]
        return max([self.began, *opened])

    @staticmethod
    def local(day: date, wall: str, zone: str) -> datetime:
        hour, minute = map(int, wall.split(":"))
        local = datetime.combine(day, time(hour % 24, minute), ZoneInfo(zone)) + timedelta(days=hour // 24)
        return local.astimezone(UTC)

    # -- what happens

    def send(self, kind: str, data: dict[str, Any], *, lost: bool = False) -> None:
        frame: dict[str, Any] = {"type": kind, "account_id": "acc_1", "ts": text(self.now), "data": data}
        if self.numbered:
            self.seq += 1
            frame["seq"] = self.seq
            if self.rng.random() < 0.05 and self.lags:
                frame["ts"] = text(self.now - timedelta(milliseconds=self.rng.choice((1, 150, 1900))))
        elif self.rng.random() < 0.5:
            self.made += 1
            frame["event_id"] = f"e{self.made}"
        if not lost:
            self.sent.append(frame)

    def figures(self) -> dict[str, Any]:
        data: dict[str, Any] = {"balance": round(self.balance, 2), "equity": round(self.balance + self.floating, 2),
                                "status": self.status}  # fmt: skip
        if self.counted:
            data["open_positions"] = len(self.positions)
        return data

    def update(self) -> None:
        if self.rng.random() < 0.4:
            self.balance = self.size + self.moved + self.rng.choice(self.profits())
        self.floating = self.rng.choice((0.0, 0.0, 120.5, -340.25))
        self.send("account_update", self.figures())

    def profits(self) -> list[float]:
        """Closed profits: half the time right at targets, thresholds and shares, else nothing special."""
        now = self.balance - self.size - self.moved
        day = day_at(self.now, self.document)
        if day != self.day:
            self.day, self.results, self.start = day, [*self.results, now - self.start], now
        sharp = list(self.sharp())
        if sharp and self.rng.random() < 0.5:
            return sharp
        return [-300.0, 0.0, 250.0, 1000.0, self.rng.randrange(-2000, 4000) / 4, now, self.start]

    def sharp(self) -> Iterator[float]:
        for rule in self.document["rules"]:
            if rule["rule"] == "profit_target":
                amount = rule["amount"]
                goal = float(amount.get("fixed") or float(amount["percent"]) * self.size / 100)
                yield from (goal, goal - 0.01, goal + 0.01, goal + 700)
            elif rule.get("threshold"):
                step = float(rule["threshold"]) * self.size
                yield from (self.start + step, self.start + step - 0.01, self.start - step, self.start - step + 0.01)
            elif rule["rule"] == "consistency":
                share, best = float(rule["best_day_share"]), max([0.0, *self.results])
                running = self.start * share / (1 - share)  # as much on the running day as its share allows
                yield from (best / share, best / share - 0.01, self.start + running, self.start + running + 0.01)

    def open(self, *, lost: bool = False) -> None:
        ident = f"p{len(self.sent)}" if self.rng.random() < 0.97 or not self.positions else next(iter(self.positions))
        opened = self.now - timedelta(
            milliseconds=self.rng.choice((0, 0, 0, 0, 1, 100, 900, 90_000)) if self.timed else 0
        )
        if ident in self.positions:  # told twice
            opened = self.positions[ident]["opened"]
        position = {"id": ident, "symbol": self.rng.choice(NAMES), "type": self.rng.choice(("BUY", "SELL")),
                    "volume": self.rng.choice((0.1, 0.5, 1.0, 1.01, 2.0, 2.5, 0.3, 5.0)),
                    "sl": self.rng.choice((None, None, 0.0, 1.05, 1.05)), "opened": opened}  # fmt: skip
        self.positions[ident] = position
        self.send("position_open", self.shown(position), lost=lost)

    def shown(self, position: dict[str, Any]) -> dict[str, Any]:
        data = {key: value for key, value in position.items() if key != "opened"}
        return data | ({"open_time": text(position["opened"])} if self.timed else {})

    def close(self, *, part: bool = False) -> None:
        if not self.positions:
            return self.open()
        ident = self.rng.choice(list(self.positions))
        position = self.positions[ident]
        volume = position["volume"]
        left = round(volume / 2, 2) if part else 0.0
        if left:
            position["volume"] = left
        else:
            del self.positions[ident]
        data = self.shown(position) | {"closed_volume": round(volume - left, 8), "remaining_volume": left,
                                       "reason": self.rng.choice(REASONS), "volume": volume}  # fmt: skip
        if self.timed:
            data["close_time"] = text(self.now - timedelta(milliseconds=self.rng.choice((0, 0, 1, 300))))
        self.balance += self.rng.choice((-120.0, 0.0, 35.5, 400.0))
        return self.send("position_close", data, lost=self.numbered and self.rng.random() < 0.03)

    def part(self) -> None:
        self.close(part=True)

    def modify(self) -> None:
        if not self.positions:
            return self.open()
        position = self.rng.choice(list(self.positions.values()))
        if self.rng.random() < 0.5:
            position["sl"] = self.rng.choice((None, 0.0, 1.06, 1.07))
        else:
            position["volume"] = self.rng.choice((0.2, 1.0, 1.01, 2.01, 3.0))
        return self.send("position_modified", self.shown(position))

    def lost(self) -> None:
        """A frame that never comes: numbered feeds are read anew afterwards."""
        if self.numbered:
            self.open(lost=True)
            self.now += timedelta(milliseconds=700)
            self.reading()

    def clock(self) -> None:
        self.sent.append({"type": "clock", "ts": text(self.now)})

    def ticks(self) -> None:
        for _ in range(self.rng.randrange(2, 8)):
            self.clock()
            self.now += timedelta(seconds=1)

    def money(self) -> None:
        kind = self.rng.choice(("deposit", "withdrawal", "payout", "correction", "bonus", "credit"))
        if self.rng.random() < 0.03:
            kind = "mystery"  # verdicts wait until somebody has classed it
        amount = self.rng.choice((500.0, -500.0, 1000.0, -250.01))
        if kind != "credit":
            self.balance += amount
            self.moved += amount
            self.send("balance_operation", {"kind": kind, "amount": amount})
        if self.rng.random() < 0.7:
            self.now += timedelta(milliseconds=50)
            self.update()

    def dip(self) -> None:
        """Figures far below, as a loss rule minds them."""
        self.floating = -self.size * self.rng.choice((0.031, 0.051, 0.6))
        self.send("account_update", self.figures())

    def outage(self) -> None:
        """The account is not reported for a while."""
        lost = self.status == "connected"
        self.status = "disconnected" if lost and self.rng.random() < 0.3 else "connected"
        self.send("connection_lost" if lost else "connection_restored", {"reason": "broker_offline"})
        if not lost and self.rng.random() < 0.5:
            self.reading()

    def refuse(self) -> None:
        """A frame that cannot be read."""
        self.sent.append({"type": "refuse", "ts": text(self.now)})

    def alive(self) -> None:
        """A sign of life of the link, of no account."""
        self.sent.append({"type": "link", "ts": text(self.now), "state": "alive"})

    def review(self) -> None:
        """A person holds the account, or lets it go again."""
        self.held = not self.held
        self.sent.append({"type": "hold" if self.held else "release", "ts": text(self.now)})

    def again(self) -> None:
        """A frame that comes twice, or once more long after; both are known by their number or their id."""
        known = [frame for frame in self.sent[-30:] if frame.get("seq") or frame.get("event_id")]
        if known:
            self.sent.append(deepcopy(self.rng.choice((known[-1], self.rng.choice(known)))))

    def reading(self) -> None:
        """The whole truth by REST, now and then one that comes late."""
        frame: dict[str, Any] = {"type": "resync", "account_id": "acc_1", "ts": text(self.now), "data": self.figures(),
                 "positions": [self.shown(position) for position in self.positions.values()]}  # fmt: skip
        if self.seq:
            frame["seq"] = self.seq
        self.sent.append(frame)

    def market(self) -> None:
        """The calendar anew: announcements come, go and move, days become holidays."""
        self.revision += 1
        near = self.now.replace(second=0, microsecond=0)
        kept = [news for news in self.news if self.rng.random() < 0.7]
        for news in kept:
            if self.rng.random() < 0.3:
                news["at"] = text(datetime.fromisoformat(news["at"]) + timedelta(minutes=self.rng.choice((-3, 1, 30))))
        fresh = [self.announcement(near, number) for number in range(self.rng.randrange(4))]
        self.news = kept + fresh
        days = [near.date() + timedelta(days=self.rng.randrange(-1, 9)) for _ in range(self.rng.randrange(4))]
        self.holidays = [{"day": day.isoformat(), "closes": self.rng.choice((None, None, "13:00", "18:30")),
                          "zone": self.rng.choice(ZONES)} for day in dict.fromkeys(days)]  # fmt: skip
        table = {"XYZ": "EURUSD", "EURUSD.r": "GBPUSD"} if self.rng.random() < 0.3 else {}
        self.sent.append({"type": "market", "ts": text(self.now), "revision": f"r{self.revision}", "symbols": table,
                          "news": deepcopy(self.news), "holidays": self.holidays})  # fmt: skip

    def announcement(self, near: datetime, number: int) -> dict[str, Any]:
        at = near + timedelta(minutes=self.rng.choice((-4, 1, 3, 10, 45, 300, 1000)))
        return {"id": f"n{self.revision}.{number}", "at": text(at), "currency": self.rng.choice(("USD", "EUR", "GBP")),
                "impact": self.rng.choice(("high", "high", "medium")), "title": "",
                "symbols": self.rng.choice(([], [], ["XAUUSD"], ["EURUSD", "US30"]))}  # fmt: skip
