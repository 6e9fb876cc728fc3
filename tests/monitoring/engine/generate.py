"""Random rule sets and frame sequences that like limits, resets and odd hours; the oracle says where the limits are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from monitoring.engine.messages import (
    CREDIT_NOT_GIVEN,
    AccountFigures,
    AccountUpdate,
    BalanceFigures,
    BalanceOperation,
    Clock,
    Message,
)
from tests.monitoring.engine.oracle import Oracle, start_of

PERCENTS = ("5", "3", "10", "2.5", "0.333", "33.3333", "100")
STARTS = ("2026-03-27T12:00:00", "2026-10-23T03:00:00", "2026-06-10T09:00:00", "2026-06-12T20:00:00")
GAPS = (0.0, 0.25, 1.0, 20.0, 29.75, 31.0, 59.0, 61.0, 3600.0, 30000.0, 90000.0)

amounts = st.one_of(
    st.builds(lambda percent, own: {"percent": percent, "own": own}, st.sampled_from(PERCENTS), st.booleans()),
    st.builds(lambda cents: {"fixed": f"{Decimal(cents) / 100:.2f}"}, st.sampled_from((200000, 250000, 333333, 1))),
)
common = {
    "amount": amounts,
    "measured": st.sampled_from(("equity", "equity", "balance", "lower")),
    "operator": st.sampled_from(("<", "<=")),
    "consequence": st.sampled_from(("fail", "pause", "pause")),
}
daily = st.fixed_dictionaries(
    {
        "rule": st.just("daily_loss"),
        "reference": st.sampled_from(
            ("day_start_balance", "day_start_equity", "day_start_higher", "initial", "intraday_peak_equity")
        ),
        **common,
    }
)
maximum = st.fixed_dictionaries(
    {
        "rule": st.just("max_loss"),
        "mode": st.sampled_from(("static", "trailing", "trailing")),
        "high_water": st.sampled_from(
            ("equity_intraday", "equity_intraday", "balance_closed", "balance_eod", "equity_eod", "higher_eod")
        ),
        "lock": st.sampled_from((None, None, {"at": "initial", "offset": "0.00"}, {"at": "initial", "offset": "99.5"})),
        "on_payout": st.sampled_from(("shift", "unchanged", "lock_at_initial", "reset")),
        **common,
    }
)


def _tidy(rule: dict[str, Any]) -> dict[str, Any]:
    rule = dict(rule)
    own = {"daily_loss": "reference", "max_loss": "high_water"}[rule["rule"]]
    if rule.get("mode") == "static":
        del rule["high_water"]
        own = "initial"
    if "percent" in rule["amount"]:
        rule["amount"] = {"percent": rule["amount"]["percent"], "of": own if rule["amount"]["own"] else "initial"}
    return rule


documents: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "version": st.just(4),
        "currency": st.just("USD"),
        "initial_balance": st.sampled_from(("100000.00", "50000.00", "99999.99")),
        "reset": st.fixed_dictionaries(
            {
                "time": st.sampled_from(("00:00", "17:00", "02:30")),
                "zone": st.sampled_from(("Europe/Prague", "America/New_York", "UTC")),
            }
        ),
        "trading_week": st.just(["mon", "tue", "wed", "thu", "fri"]),
        "count_credit": st.sampled_from((False, False, True)),
        "balance_operations": st.sampled_from(("adjust", "adjust", "ignore")),
        "warn_at": st.sampled_from((["0.80", "0.90", "0.95"], ["0.5", "1"], ["0.8"])),
        "clear_below": st.sampled_from(("0.75", "0.40")),
        "rules": st.lists(st.one_of(daily, maximum).map(_tidy), min_size=1, max_size=3),
    }
).map(lambda document: _clearing(dict(document)))


def _clearing(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "clear_below": "0.40"} if document["warn_at"][0] == "0.5" else document


class Step(NamedTuple):
    """One thing that happens, told relative to where the limits are at that moment."""

    kind: int  # 0-4 update, 5 tick, 6 operation, 7 status, 8 late frame, 9 lagging update
    gap: int
    target: int
    cents: int
    rule: int


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from((0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9)),
        st.integers(0, len(GAPS) + 2),
        st.integers(0, 9),
        st.integers(-1, 1),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=60,
)


class World:
    """Turns steps into messages, feeding the oracle as it goes."""

    def __init__(self, document: dict[str, Any], start: str, *, numbered: bool) -> None:
        self.document = document
        self.oracle = Oracle(json.loads(json.dumps(document)))
        self.now = datetime.fromisoformat(start).replace(tzinfo=UTC)
        self.numbered = numbered
        self.seq = 0
        self.balance = self.equity = self.oracle.size
        self.credit = Decimal(0)
        self.status, self.positions = "connected", 2

    def message(self, step: Step) -> tuple[Message, bool]:
        """The next message, and whether it is an update that applies."""
        self._pass_time(step)
        if step.kind == 5:
            self.oracle.tick(self.now)
            return Clock(ts=self.now), False
        if step.kind == 6:
            return self._operation(step), False
        if step.kind == 8 and self.seq > 1:
            return self._update(self.now - timedelta(hours=1), self.seq - 1)
        if step.kind == 7:
            self.status = "disconnected" if step.target < 4 else "connected"
            self.positions = step.target % 3
        else:
            self._move(step)
        self.seq += 1
        ts = self.now
        if step.kind == 9 and self.oracle.newest is not None:
            ts = max(self.oracle.newest, self.now - timedelta(seconds=2))
        return self._update(ts, self.seq)

    def _pass_time(self, step: Step) -> None:
        if step.gap < len(GAPS):
            self.now += timedelta(seconds=GAPS[step.gap] if step.target else min(GAPS[step.gap], 1.0))
        elif self.oracle.day is not None:
            reset = start_of(self.oracle.day + timedelta(days=1), self.document)
            self.now = max(self.now, reset + timedelta(seconds=(step.gap - len(GAPS) - 1)))

    def _move(self, step: Step) -> None:
        """Put equity (or balance) at a limit, a warning step, a mark, or somewhere else; a cent beside it or on it."""
        oracle = self.oracle
        anchor, floor, _ = oracle.level(step.rule % len(oracle.rules))
        shares = [*map(Decimal, oracle.document["warn_at"]), Decimal(oracle.document["clear_below"])]
        places = [floor, floor, anchor, anchor + 700, floor - 300, oracle.peak + 50]
        places += [(anchor - share * (anchor - floor)).quantize(Decimal("0.01")) for share in shares]
        value = places[step.target % len(places)] + Decimal(step.cents) / 100
        if step.kind == 4:
            self.balance = value
        if step.kind == 3:
            self.credit = Decimal(step.target) * 100
        self.equity = value if oracle.document["count_credit"] else value + self.credit

    def _update(self, ts: datetime, seq: int) -> tuple[Message, bool]:
        number = seq if self.numbered else None
        stated = self.seq % 4 != 3  # a feed that leaves credit out says nothing about it
        credit = self.credit if stated else self.oracle.credit
        figures = AccountFigures(
            balance=float(self.balance),
            equity=float(self.equity),
            credit=float(credit) if stated else CREDIT_NOT_GIVEN,
            status=self.status,
            open_positions=self.positions,
        )
        applied = self.oracle.update(ts, number, self.balance, self.equity, credit, self.status, figures.open_positions)
        return AccountUpdate(account_id="acc_1", ts=ts, seq=number, data=figures), applied

    def _operation(self, step: Step) -> Message:
        kind = ("deposit", "withdrawal", "payout", "payout", "bonus", "correction", "credit", "payout", "deposit",
                "mystery" if step.rule == 2 and step.cents == 0 else "payout")[step.target]  # fmt: skip
        amount = Decimal(1000 * (step.cents or 1)) + Decimal("0.01") * step.rule
        self.seq += 1
        number = self.seq if self.numbered else None
        self.oracle.operation(self.now, number, kind, amount)
        self.equity += amount
        if kind == "credit":
            self.credit += amount
        else:
            self.balance += amount
        data = BalanceFigures(kind=kind, amount=float(amount))
        return BalanceOperation(account_id="acc_1", ts=self.now, seq=number, data=data)


def as_sent(message: Message) -> Message:
    """The message after a trip through JSON, as decode makes it."""
    decoded: Message = msgspec.json.decode(msgspec.json.encode(message), type=Message)
    return decoded
