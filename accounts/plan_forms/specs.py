"""The fields of a rule set's form: one table for the general switches, one for each kind of rule (pure)."""

from __future__ import annotations

from dataclasses import dataclass

Choices = tuple[tuple[str, str], ...]
DAYS: Choices = (
    ("mon", "Mon"),
    ("tue", "Tue"),
    ("wed", "Wed"),
    ("thu", "Thu"),
    ("fri", "Fri"),
    ("sat", "Sat"),
    ("sun", "Sun"),
)
YES_NO: Choices = (("true", "Yes"), ("false", "No"))


@dataclass(frozen=True, slots=True)
class Spec:
    """One value of the document: `path` from its rule (or from the document) down, dots between.

    `kind`: text, whole (a number in JSON), choice, flag (true or false), many (a list out of `choices`), words (a list
    of free words), windows (a list of local windows). `default` says what holds where the value is left out; without
    one the value has to be given. `when`: shown only while the field of that name in the same rule has that value, or
    (`judges`) while it has a value itself, by which is judged whatever the other field says.
    """

    path: str
    label: str
    kind: str = "text"
    choices: Choices = ()
    default: str | None = None
    unit: str = ""
    help: str = ""
    when: tuple[str, tuple[str, ...]] | None = None
    judges: bool = False

    @property
    def name(self) -> str:
        """Its path as the end of a field's name."""
        return self.path.replace(".", "-")


_CONSEQUENCE_WORDS = {
    "fail": "Fail: close all, lock, the challenge has failed",
    "pause": "Pause: close all, lock until the next trading day",
    "close": "Close the positions that violate",
    "flag": "Flag for the review queue",
    "delay": "Delay the pass or payout",
}


def _consequence(*names: str, default: str | None, path: str = "consequence", label: str = "Consequence") -> Spec:
    words = None if default is None else _CONSEQUENCE_WORDS[default]
    return Spec(path, label, "choice", tuple((name, _CONSEQUENCE_WORDS[name]) for name in names), default=words)


def _amount(*bases: tuple[str, str], label: str = "Amount") -> tuple[Spec, ...]:
    kinds: Choices = (("percent", "a percentage"), ("fixed", "a fixed sum"))
    return (
        Spec("amount.kind", f"{label} is", "choice", kinds),
        Spec("amount.percent", "Percent", unit="%", when=("amount-kind", ("percent",))),
        Spec("amount.of", "of", "choice", bases, when=("amount-kind", ("percent",))),
        Spec("amount.fixed", "Sum", unit="account currency", when=("amount-kind", ("fixed",))),
    )


_INITIAL = ("initial", "the initial balance")
_LOSS_END: tuple[Spec, ...] = (
    Spec("measured", "What is measured", "choice",
         (("equity", "equity"), ("balance", "balance"), ("lower", "the lower of balance and equity")),
         default="equity"),
    Spec("operator", "Broken when it", "choice",
         (("<", "falls below the floor (<)"), ("<=", "falls to or below the floor (<=)")),
         help="There is no usual way: firms differ in it."),
    _consequence("fail", "pause", default=None),
)  # fmt: skip
_LIMIT = _consequence("flag", "close", "pause", "fail", default="flag")

GENERAL: tuple[Spec, ...] = (
    Spec("reset.time", "The trading day starts at", help="Local time, HH:MM."),
    Spec("reset.zone", "in the time zone of", "zone", help="An IANA name such as Europe/Prague."),
    Spec("trading_week", "Days that count", "many", DAYS, default="Monday to Friday"),
    Spec("count_credit", "Credit counts as equity", "flag", YES_NO, default="no"),
    Spec("balance_operations", "Deposits and withdrawals", "choice",
         (("adjust", "move the limits with them"), ("ignore", "leave the limits where they are")),
         default="move the limits with them"),
    Spec("warn_at", "Warn at these shares of a limit", "words", default="0.80, 0.90, 0.95",
         help="Ascending, 1 is the limit itself."),
    Spec("clear_below", "A warning ends below", default="0.75"),
    Spec("stale_after", "Data are stale after", "whole", unit="seconds", default="30"),
    Spec("fresh_for", "Judge the reset by data younger than", "whole", unit="seconds", default="60"),
)  # fmt: skip

RULES: dict[str, tuple[str, tuple[Spec, ...]]] = {
    "daily_loss": ("Daily loss", (
        Spec("reference", "Counted from", "choice", (
            ("day_start_balance", "the balance at the start of the day"),
            ("day_start_equity", "the equity at the start of the day"),
            ("day_start_higher", "the higher of both at the start of the day"),
            ("initial", "the initial balance"),
            ("intraday_peak_equity", "the day's highest equity"),
        )),
        *_amount(_INITIAL, ("reference", "what it is counted from")),
        *_LOSS_END,
    )),
    "max_loss": ("Maximum loss", (
        Spec("mode", "The floor", "choice",
             (("static", "stays where it is"), ("trailing", "trails a high-water mark"))),
        Spec("high_water", "High-water mark", "choice", (
            ("equity_intraday", "the highest equity so far"),
            ("balance_closed", "the highest closed balance so far"),
            ("balance_eod", "the highest balance at the end of a day"),
            ("equity_eod", "the highest equity at the end of a day"),
            ("higher_eod", "the highest of both at the end of a day"),
        ), when=("mode", ("trailing",))),
        *_amount(_INITIAL, ("high_water", "the high-water mark")),
        *_LOSS_END,
        Spec("lock.at", "The floor stops rising at", "choice", (("initial", "the initial balance plus an offset"),),
             default="never", when=("mode", ("trailing",)), judges=True),
        Spec("lock.offset", "Offset", unit="account currency", default="0", when=("lock-at", ("initial",))),
        Spec("on_payout", "A payout", "choice", (
            ("shift", "lowers the mark by as much (room kept)"),
            ("unchanged", "leaves the mark"),
            ("lock_at_initial", "fixes the floor at the initial balance"),
            ("reset", "sets the mark to the balance after it"),
        ), default="lowers the mark by as much (room kept)", when=("mode", ("trailing",)), judges=True),
    )),
    "profit_target": ("Profit target", (
        *_amount(_INITIAL, label="Profit"),
        Spec("requires_flat", "Every position must be closed", "flag", YES_NO, default="no"),
    )),
    "min_trading_days": ("Minimum trading days", (
        Spec("days", "Days", "whole"),
        Spec("counts", "A day counts when", "choice", (
            ("opened", "a position is opened on it"),
            ("opened_and_closed", "a position is opened and closed on it"),
            ("profit_day", "its closed profit reaches the threshold"),
            ("moved_day", "its result, up or down, reaches the threshold"),
        )),
        Spec("threshold", "Threshold", unit="share of the initial balance", default="none",
             when=("counts", ("profit_day", "moved_day"))),
    )),
    "time_limit": ("Time limit", (
        Spec("days", "Days", "whole"),
        Spec("unit", "counted as", "choice", (("calendar", "calendar days"), ("trading", "trading days"))),
        Spec("from", "from", "choice",
             (("created", "the start of the challenge"), ("first_trade", "the first trade"))),
        _consequence("fail", "pause", "close", "flag", "delay", default="fail"),
    )),
    "max_lots_per_position": ("Lots per position", (Spec("lots", "At most", unit="lots"), _LIMIT)),
    "max_lots_total": ("Lots in all", (
        Spec("lots", "At most", unit="lots"),
        Spec("count", "counted", "choice",
             (("gross", "gross: every leg"), ("net", "net: hedged legs of a symbol against each other"))),
        _LIMIT,
    )),
    "max_positions": ("Open positions", (Spec("positions", "At most", "whole", unit="positions"), _LIMIT)),
    "symbols": ("Symbols", (
        Spec("allow", "Only these", "words", default="every symbol", help="Base names, commas between."),
        Spec("deny", "Not these", "words", default="none", help="A denied name is denied even if it is allowed."),
        _LIMIT,
    )),
    "trading_hours": ("Trading hours", (
        Spec("zone", "Time zone", "zone"),
        Spec("windows", "Positions may be opened", "windows"),
        _consequence("flag", "close", default="flag", path="outside", label="Opened outside of them"),
    )),
    "flat_by": ("Flat by", (
        Spec("day", "Each", "choice", DAYS),
        Spec("time", "by", help="Local time, HH:MM."),
        Spec("zone", "Time zone", "zone"),
        Spec("warn_minutes", "Warn before", "whole", unit="minutes", default="no warning"),
        _consequence("close", "flag", "pause", "fail", default="close"),
    )),
    "news_window": ("News", (
        Spec("before_minutes", "No trade from", "whole", unit="minutes before"),
        Spec("after_minutes", "to", "whole", unit="minutes after"),
        Spec("impact", "news of this impact", "many", (("high", "High"), ("medium", "Medium"), ("low", "Low")),
             default="high"),
        Spec("scope", "for", "choice", (
            ("currency", "symbols of its currency"),
            ("listed", "the symbols listed with it"),
            ("all", "every symbol"),
        ), default="symbols of its currency"),
        Spec("exempt_if_opened_before_hours", "Closing is free if opened earlier than", "whole", unit="hours before",
             default="never"),
        _LIMIT,
    )),
    "stop_loss_required": ("Stop loss", (Spec("within_seconds", "Within", "whole", unit="seconds of opening"), _LIMIT)),
    "consistency": ("Consistency", (
        Spec("best_day_share", "The best day makes at most", unit="share (0.50 is half)"),
        Spec("of", "of", "choice", (
            ("net", "the net total"),
            ("positive", "the sum of the winning days"),
            ("absolute", "the sum of all days' results, losses counted as positive"),
        )),
        _consequence("delay", "flag", "close", "pause", "fail", default="delay"),
    )),
    "inactivity": ("Inactivity", (
        Spec("days", "A position is opened at least every", "whole", unit="days"),
        _consequence("fail", "pause", "close", "flag", "delay", default="fail"),
    )),
    "soft_breaches": ("Soft breaches", (
        Spec("allowed", "Allowed", "whole"),
        Spec("window_days", "within", "whole", unit="trading days", default="the whole challenge"),
        _consequence("fail", "pause", default="fail"),
    )),
}  # fmt: skip

WINDOW: tuple[Spec, ...] = (
    Spec("days", "on", "many", DAYS),
    Spec("from", "from"),
    Spec("to", "to", help="24:00 is the end of the day; an end before its start runs over midnight."),
)
EMPTY_WINDOW = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00"}
START: dict[str, dict[str, object]] = {  # what a rule that is added begins with; the operator is for a person to choose
    "daily_loss": {"reference": "day_start_balance", "amount": {"percent": "5", "of": "initial"}, "measured": "equity",
                   "consequence": "fail"},
    "max_loss": {"mode": "static", "amount": {"percent": "10", "of": "initial"}, "measured": "equity",
                 "consequence": "fail"},
    "profit_target": {"amount": {"percent": "10", "of": "initial"}, "requires_flat": True},
    "min_trading_days": {"days": 4, "counts": "opened"},
    "time_limit": {"days": 30, "from": "created", "unit": "calendar"},
    "max_lots_per_position": {"lots": "10"},
    "max_lots_total": {"lots": "30", "count": "gross"},
    "max_positions": {"positions": 20},
    "symbols": {"deny": []},
    "trading_hours": {"zone": "UTC", "windows": [EMPTY_WINDOW]},
    "flat_by": {"day": "fri", "time": "21:55", "zone": "UTC", "warn_minutes": 30},
    "news_window": {"before_minutes": 2, "after_minutes": 2, "impact": ["high"], "scope": "currency"},
    "stop_loss_required": {"within_seconds": 60},
    "consistency": {"best_day_share": "0.50", "of": "net"},
    "inactivity": {"days": 30},
    "soft_breaches": {"allowed": 3},
}  # fmt: skip
