"""The upstream's own risk rules (PUT /accounts/{id}/risk-rules): checks on orders, and its rule_breach events."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from monitoring.upstream.simulator.errors import Refused
from monitoring.upstream.simulator.ledger import Account
from monitoring.upstream.simulator.wire import Json

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WARN_AT = 0.8
FIELD = re.compile(r"`\$\.(\w+)|unknown field `(\w+)`")  # in msgspec's words
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


class TradingHours(msgspec.Struct, forbid_unknown_fields=True):
    """UTC wall times, HH:MM."""

    start: str = "00:00"
    end: str = "24:00"

    def holds(self, clock: str) -> bool:
        """Whether one may trade at this HH:MM; hours whose end is before their start run over midnight."""
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


class RiskRules(msgspec.Struct, forbid_unknown_fields=True):
    """Percentages are fractions of 1; null switches a rule off."""

    max_daily_loss_pct: float | None = None
    max_drawdown_pct: float | None = None
    max_lot_size: float | None = None
    max_open_positions: int | None = None
    allowed_symbols: list[str] | None = None
    trading_hours: TradingHours | None = None
    drawdown_mode: str = "static"
    max_total_lots: float | None = None
    blocked_symbols: list[str] | None = None
    trading_days: list[str] | None = None
    friday_close_minutes: int | None = None
    lock_on_breach: bool = False
    version: int = 0


def parse_rules(body: Any) -> RiskRules:
    """Rules from a PUT body; Refused 422 names the field that is wrong."""
    try:
        rules = msgspec.convert(body, RiskRules)
    except msgspec.ValidationError as error:
        named = FIELD.search(str(error))
        raise Refused.invalid(named[1] or named[2] if named else "risk_rules", str(error)) from error
    for name in ("max_daily_loss_pct", "max_drawdown_pct"):
        value = getattr(rules, name)
        if value is not None and not 0 < value <= 1:
            raise Refused.invalid(name, f"{name} is a fraction of 1 (0.05 is 5 %), not {value}")
    if rules.drawdown_mode not in ("static", "trailing"):
        raise Refused.invalid("drawdown_mode", f"drawdown_mode is static or trailing, not {rules.drawdown_mode!r}")
    for name in ("max_lot_size", "max_total_lots", "max_open_positions", "friday_close_minutes"):
        value = getattr(rules, name)
        if value is not None and value < 0:
            raise Refused.invalid(name, f"{name} is negative: {value}")
    for name in ("start", "end") if rules.trading_hours is not None else ():
        value = getattr(rules.trading_hours, name)
        if not CLOCK.fullmatch(value):
            raise Refused.invalid("trading_hours", f"{name} {value!r} is not HH:MM from 00:00 to 24:00")
    for day in rules.trading_days or ():
        if day not in DAYS:
            raise Refused.invalid("trading_days", f"{day!r} is no day ({', '.join(DAYS)})")
    return rules


def check_order(rules: RiskRules, account: Account, symbol: str, units: int, now: datetime) -> None:
    """Refused with the reason when the rules forbid the order."""
    if rules.max_lot_size is not None and units > _units(rules.max_lot_size):
        text = f"{units / 100} lots exceeds {rules.max_lot_size}"
        raise Refused(422, "max_lot_size", text, limit=rules.max_lot_size)
    total = sum(position.units for position in account.positions.values()) + units
    if rules.max_total_lots is not None and total > _units(rules.max_total_lots):
        raise Refused(422, "max_lot_size", f"{total / 100} lots in all exceeds {rules.max_total_lots}",
                      limit=rules.max_total_lots)  # fmt: skip
    if rules.max_open_positions is not None and len(account.positions) >= rules.max_open_positions:
        raise Refused(422, "max_open_positions", f"{rules.max_open_positions} positions are open already",
                      limit=rules.max_open_positions)  # fmt: skip
    allowed = rules.allowed_symbols
    if (allowed is not None and symbol not in allowed) or symbol in (rules.blocked_symbols or ()):
        raise Refused(422, "symbol_not_allowed", f"{symbol} may not be traded on this account")
    clock = now.strftime("%H:%M")
    hours = rules.trading_hours
    if hours is not None and not hours.holds(clock):
        raise Refused(422, "outside_trading_hours", f"{clock} UTC is outside {hours.start}-{hours.end}")
    if rules.trading_days is not None and DAYS[now.weekday()] not in rules.trading_days:
        raise Refused(422, "outside_trading_hours", f"{DAYS[now.weekday()]} is no trading day of this account")


def _units(lots: float) -> float:
    """Hundredths of a lot; equality is allowed, whatever a double makes of 0.29 times 100."""
    return round(lots * 100, 6)


class Watch:
    """The loss rules of one account as the upstream watches them; says each level once a day."""

    def __init__(self, rules: RiskRules) -> None:
        self.rules = rules
        self._day = ""
        self._reference = 0
        self._peak = 0
        self._said: set[tuple[str, str]] = set()
        self.closing = False  # the last minutes of the week: no new order, and what is open is closed

    def week_ends_in(self, minutes: float | None) -> bool:
        """Take notice of how far the week's close is (None: not today); whether positions must go now."""
        ahead = self.rules.friday_close_minutes
        self.closing = ahead is not None and minutes is not None and minutes <= ahead
        return self.closing

    def begin(self, account: Account, now: datetime) -> None:
        """Start a day at the account's equity; the marks rise."""
        day, equity = now.date().isoformat(), account.equity
        if day != self._day:
            self._day, self._reference, self._said = day, equity, set()
        self._peak = max(self._peak, equity, account.initial)

    def look(self, account: Account, now: datetime) -> list[Json]:
        """The rule_breach data that became true with this look."""
        self.begin(account, now)
        equity = account.equity
        anchor = self._peak if self.rules.drawdown_mode == "trailing" else account.initial
        found = []
        for rule, share, reference, base in (
            ("max_daily_loss_pct", self.rules.max_daily_loss_pct, self._reference, self._reference),
            ("max_drawdown_pct", self.rules.max_drawdown_pct, anchor, account.initial),
        ):
            if share is not None and base > 0:
                found += self._judge(rule, share, reference, base, equity)
        return found

    def _judge(self, rule: str, share: float, reference: int, base: int, equity: int) -> list[Json]:
        lost, allowed = reference - equity, share * base
        level = "breach" if lost >= allowed else "warning" if lost >= WARN_AT * allowed else ""
        if not level or (rule, level) in self._said:
            return []
        self._said |= {(rule, level), (rule, "warning")}
        action = "notify" if level == "warning" else "lock" if self.rules.lock_on_breach else "close_all"
        return [{
            "rule": rule, "limit": share, "limit_amount": round(allowed) / 100, "observed": round(lost / base, 4),
            "observed_amount": lost / 100, "reference_equity": reference / 100, "equity": equity / 100,
            "action": action, "level": level,
        }]  # fmt: skip
