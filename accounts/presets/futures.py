"""Programmes on futures: limits in money, a preset for each size."""

from __future__ import annotations

from datetime import date

from accounts.presets.model import Preset, PresetPhase
from accounts.presets.parts import (
    AFTERNOON,
    DATASET,
    EVENINGS,
    OPERATOR_OPEN,
    PAYOUT_OPEN,
    TARGET_OPEN,
    daily,
    document,
    fixed,
    trailing,
)

VERIFIED = date(2026, 10, 4)
CHICAGO = ("17:00", "America/Chicago")
NEW_YORK = ("18:00", "America/New_York")
_TOPSTEP_URL = "https://help.topstep.com/en/articles/8284204-what-is-the-maximum-loss-limit"
_APEX_URL = "https://propfirmhero.com/?p=358488"
_RECORDED = {"25": True, "50": False, "100": False, "150": True}  # the table records the ends of the range
_APEX_50 = "Sources contradict each other on the 50k trail: 2,500 in a blog, 2,000 in the dataset; 2,000 is set."


def _size_note(size: str) -> str:
    return f"Made for an account of {size},000: the amounts are money, not percent."


def _topstep(size: str, loss: str) -> Preset:
    phase = document(*CHICAGO, trailing(fixed(loss), "balance_eod", lock=True), week=EVENINGS)
    return Preset(
        slug=f"topstep-combine-{size}k",
        firm="Topstep",
        size=f"{size}000.00",
        name=f"Topstep Combine {size}k",
        summary=f"No daily loss; maximum loss {float(loss):,.0f} trailing at the end of the day, up to the start.",
        phases=(PresetPhase("combine", "Trading Combine", phase),),
        sources=(_TOPSTEP_URL, DATASET),
        verified=VERIFIED,
        notes=(
            _size_note(size),
            "The day ends with the session; 17:00 in Chicago is set, which is not verified.",
            AFTERNOON,
            OPERATOR_OPEN,
            TARGET_OPEN,
        ),
    )


def _apex_eod(size: str, day: str, loss: str) -> Preset:
    rules = (
        daily(fixed(day), "day_start_balance", consequence="pause"),
        trailing(fixed(loss), "balance_eod"),
    )
    return Preset(
        slug=f"apex-eod-{size}k",
        firm="Apex",
        size=f"{size}000.00",
        name=f"Apex EOD {size}k",
        summary=f"Daily loss {float(day):,.0f} pauses; maximum loss {float(loss):,.0f} trailing at the end of the day.",
        phases=(PresetPhase("evaluation", "Evaluation", document(*NEW_YORK, *rules, week=EVENINGS)),),
        sources=(_APEX_URL, DATASET),
        verified=VERIFIED,
        notes=(
            _size_note(size),
            *_between(size, "The daily loss (500 to 2,000) and the trail (1,000 to 4,000)"),
            *((_APEX_50,) if size == "50" else ()),
            "From which value the daily loss is counted is not recorded; the day's starting balance is set.",
            "No lock of the trailing floor is recorded; it goes on rising here.",
            AFTERNOON,
            OPERATOR_OPEN,
            PAYOUT_OPEN,
            TARGET_OPEN,
        ),
    )


def _apex_intraday(size: str, loss: str) -> Preset:
    rules = (trailing(fixed(loss), "equity_intraday"),)
    return Preset(
        slug=f"apex-intraday-{size}k",
        firm="Apex",
        size=f"{size}000.00",
        name=f"Apex intraday {size}k",
        summary=f"No daily loss; maximum loss {float(loss):,.0f} trailing the highest equity, open profit included.",
        phases=(PresetPhase("evaluation", "Evaluation", document(*NEW_YORK, *rules, week=EVENINGS)),),
        sources=(_APEX_URL, DATASET),
        verified=VERIFIED,
        notes=(
            _size_note(size),
            *_between(size, "The trail (1,000 to 4,000)"),
            *((_APEX_50,) if size == "50" else ()),
            "No reset is recorded for this programme; 18:00 New York is set as for Apex EOD, which is not verified.",
            "No lock of the trailing floor is recorded; it goes on rising here.",
            AFTERNOON,
            OPERATOR_OPEN,
            PAYOUT_OPEN,
            TARGET_OPEN,
        ),
    )


def _between(size: str, what: str) -> tuple[str, ...]:
    """What the table does not say of the sizes between the smallest and the largest."""
    if _RECORDED[size]:
        return ()
    return (f"{what} are recorded for the smallest and the largest size; this size's are in between, not verified.",)


FUTURES: tuple[Preset, ...] = (
    _topstep("50", "2000.00"),
    _topstep("100", "3000.00"),
    _topstep("150", "4500.00"),
    _apex_eod("25", "500.00", "1000.00"),
    _apex_eod("50", "1000.00", "2000.00"),
    _apex_eod("100", "1500.00", "3000.00"),
    _apex_eod("150", "2000.00", "4000.00"),
    _apex_intraday("25", "1000.00"),
    _apex_intraday("50", "2000.00"),
    _apex_intraday("100", "3000.00"),
    _apex_intraday("150", "4000.00"),
)
