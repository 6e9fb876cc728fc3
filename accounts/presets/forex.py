"""Programmes on currencies and CFDs."""

from __future__ import annotations

from datetime import date

from accounts.presets.model import Preset, PresetPhase
from accounts.presets.parts import (
    AFTERNOON,
    DATASET,
    EVENINGS,
    OPERATOR_OPEN,
    PAYOUT_OPEN,
    SERVER_ZONE,
    TARGET_OPEN,
    daily,
    document,
    one_step,
    percent,
    static,
    trailing,
    two_steps,
)

VERIFIED = date(2026, 10, 4)
PRAGUE = ("00:00", "Europe/Prague")
SERVER = ("00:00", "Europe/Athens")
FIXED_3 = ("00:00", "Etc/GMT-3")
NEW_YORK = ("17:00", "America/New_York")
_FTMO_LOSS = (daily(percent("5"), "day_start_balance"), static(percent("10")))
_FTMO_DAYS = {"rule": "min_trading_days", "days": 4, "counts": "opened"}
_FTMO_NEWS = {
    "rule": "news_window",
    "before_minutes": 2,
    "after_minutes": 2,
    "impact": ["high"],
    "scope": "listed",
    "consequence": "flag",
}
_FTMO_BEST_DAY = {"rule": "consistency", "best_day_share": "0.50", "of": "net", "consequence": "delay"}
_FTMO_ONE = (daily(percent("3"), "day_start_balance"), trailing(percent("10"), "balance_eod"))
_FIXED_ZONE = "The zone is fixed at UTC+3 the whole year (Etc/GMT-3: the name turns the sign around)."
_ALPHA_URL = "https://help.alphacapitalgroup.uk/en/articles/6934210-what-are-the-daily-risk-limits-and-how-do-they-work"


def _funding_pips(share: str, slug: str, name: str) -> Preset:
    return Preset(
        slug=slug,
        firm="FundingPips",
        name=name,
        summary=f"Daily loss {share}% of the day's higher of balance and equity, maximum loss 10% static.",
        phases=two_steps(*FIXED_3, daily(percent(share, "reference"), "day_start_higher"), static(percent("10"))),
        sources=(DATASET,),
        verified=VERIFIED,
        notes=(
            _FIXED_ZONE,
            "The data record 5% or 3% as the daily loss; which one an account has depends on what was bought.",
            OPERATOR_OPEN,
            TARGET_OPEN,
        ),
    )


def _alpha(daily_share: str, maximum: str) -> Preset:
    return Preset(
        slug=f"alpha-pro-{maximum}",
        firm="Alpha Capital",
        name=f"Alpha Pro {maximum}",
        summary=f"Daily loss {daily_share}% of the day's starting balance, maximum loss {maximum}% static.",
        phases=two_steps(
            *FIXED_3, daily(percent(daily_share, "reference"), "day_start_balance"), static(percent(maximum))
        ),
        sources=(_ALPHA_URL, DATASET),
        verified=VERIFIED,
        notes=(
            "The sources contradict each other on the reset: 00:00 GMT+2 on the firm's help page, 00:00 GMT+3 in the "
            "dataset. GMT+3 is set, fixed (Etc/GMT-3), and is not verified.",
            OPERATOR_OPEN,
            TARGET_OPEN,
        ),
    )


FOREX: tuple[Preset, ...] = (
    Preset(
        slug="ftmo-2-step",
        firm="FTMO",
        name="FTMO 2-Step",
        summary="Daily loss 5% of the initial balance, maximum loss 10% static.",
        phases=(
            PresetPhase("phase-1", "FTMO Challenge", document(*PRAGUE, *_FTMO_LOSS, _FTMO_DAYS)),
            PresetPhase("phase-2", "Verification", document(*PRAGUE, *_FTMO_LOSS, _FTMO_DAYS)),
            PresetPhase("funded", "FTMO Account", document(*PRAGUE, *_FTMO_LOSS, _FTMO_NEWS)),
        ),
        sources=(
            "https://academy.ftmo.com/lesson/maximum-daily-loss",
            "https://academy.ftmo.com/?p=47",
            "https://ftmo.oanda.com/?p=121",
            DATASET,
        ),
        verified=VERIFIED,
        notes=(
            "The firm writes “drops below”: equality is no breach.",
            "The news window of two minutes is for funded Standard accounts and listed instruments only; a Swing "
            "account has none. The firm treats it as a breach of the agreement; it goes to the review queue here.",
            "Older pages of the firm know 5% and 10% “Normal” and “Aggressive” accounts and a time limit of 30 or 60 "
            "days; now there is none.",
            "The recorded data name no profit target: add it from the firm's own page.",
        ),
    ),
    Preset(
        slug="ftmo-1-step",
        firm="FTMO",
        name="FTMO 1-Step",
        summary="Daily loss 3% of the initial balance, maximum loss 10% trailing at the end of the day.",
        phases=(
            PresetPhase("evaluation", "FTMO Challenge 1-Step", document(*PRAGUE, *_FTMO_ONE, _FTMO_BEST_DAY)),
            PresetPhase("funded", "FTMO Account", document(*PRAGUE, *_FTMO_ONE, _FTMO_BEST_DAY)),
        ),
        sources=(
            "https://academy.ftmo.com/lesson/maximum-daily-loss",
            "https://ftmo.com/au/?p=1671",
            "https://ftmo.com/au/faq/what-happens-if-the-best-day-rule-is-not-met-in-ftmo-challenge-1-step",
            DATASET,
        ),
        verified=VERIFIED,
        notes=(
            "The firm writes “drops below”: equality is no breach.",
            "No lock of the trailing floor is stated; it goes on rising here.",
            "The best day may make up 50% of the profit; that delays a pass and is never a breach.",
            "Older “Normal” and “Aggressive” pages give other daily figures (5% and 10%).",
            PAYOUT_OPEN,
            "The recorded data name no profit target: add it from the firm's own page.",
        ),
    ),
    Preset(
        slug="fundednext-stellar-2-step",
        firm="FundedNext",
        name="FundedNext Stellar 2-Step",
        summary="Daily loss 5% of the initial balance, maximum loss 10% static.",
        phases=two_steps(*SERVER, daily(percent("5"), "day_start_balance"), static(percent("10"))),
        sources=(DATASET,),
        verified=VERIFIED,
        notes=(SERVER_ZONE, OPERATOR_OPEN, TARGET_OPEN),
    ),
    Preset(
        slug="the5ers-high-stakes",
        firm="The5ers",
        name="The5ers High Stakes",
        summary="Daily loss 5% of the day's higher of balance and equity, maximum loss 10% static.",
        phases=two_steps(*SERVER, daily(percent("5", "reference"), "day_start_higher"), static(percent("10"))),
        sources=(DATASET,),
        verified=VERIFIED,
        notes=(SERVER_ZONE, OPERATOR_OPEN, TARGET_OPEN),
    ),
    Preset(
        slug="e8-one",
        firm="E8 Markets",
        name="E8 One",
        summary="Daily loss 4% of the initial balance, maximum loss 6% trailing the closed balance up to the start.",
        phases=one_step(
            *SERVER,
            daily(percent("4"), "day_start_balance"),
            trailing(percent("6"), "balance_closed", lock=True),
        ),
        sources=(DATASET,),
        verified=VERIFIED,
        notes=(
            "The reset is 00:00 of the server; the server's zone is not verified. Europe/Athens is set.",
            OPERATOR_OPEN,
            PAYOUT_OPEN,
            TARGET_OPEN,
        ),
    ),
    _funding_pips("5", "fundingpips-2-step", "FundingPips 2-Step (5% daily)"),
    _funding_pips("3", "fundingpips-2-step-3", "FundingPips 2-Step (3% daily)"),
    _alpha("5", "10"),
    _alpha("4", "8"),
    Preset(
        slug="blue-guardian-2-step",
        firm="Blue Guardian",
        name="Blue Guardian 2-Step",
        summary="Daily loss 4% of the initial balance from the day's higher of balance and equity, maximum 8% static.",
        phases=two_steps(*NEW_YORK, daily(percent("4"), "day_start_higher"), static(percent("8")), week=EVENINGS),
        sources=(DATASET,),
        verified=VERIFIED,
        notes=(AFTERNOON, OPERATOR_OPEN, TARGET_OPEN),
    ),
)
