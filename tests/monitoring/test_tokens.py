"""The colours of static/css/tokens.css hold the contrasts that browser.md 4.4 measured, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).resolve().parents[2] / "static/css/tokens.css").read_text(encoding="utf-8")
PAIRS = {
    name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", TOKENS)
}
THEMES = {"light": 0, "dark": 1}
MEASURED = {  # contrast on the panel ground
    ("dark", "muted"): 7.0, ("dark", "ok"): 6.6, ("dark", "watch"): 5.0, ("dark", "warn"): 9.2, ("dark", "crit"): 6.1,
    ("light", "muted"): 5.7, ("light", "ok"): 4.4, ("light", "watch"): 5.8, ("light", "warn"): 5.5,
    ("light", "crit"): 5.4,
}  # fmt: skip
TEXTS = ("text", "muted", "watch", "warn", "crit", "pos", "neg", "focus")
GROUNDS = ("bg", "panel", "raised")


def linear(channel: int) -> float:
    """An sRGB channel as light."""
    share = channel / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    """WCAG relative luminance."""
    red, green, blue = (linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(theme: str, one: str, other: str) -> float:
    """WCAG contrast of two tokens."""
    light, dark = sorted((luminance(PAIRS[name][THEMES[theme]]) for name in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "token"), MEASURED)
def test_the_contrasts_on_the_panel_are_those_measured(theme: str, token: str) -> None:
    assert contrast(theme, token, "panel") == pytest.approx(MEASURED[theme, token], abs=0.06)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("token", TEXTS)
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_can_be_read_on_every_ground(theme: str, token: str, ground: str) -> None:
    assert contrast(theme, token, ground) >= 4.4


@pytest.mark.parametrize("theme", THEMES)
def test_the_ground_of_a_breached_row_can_be_read_on(theme: str) -> None:
    for token in ("text", "muted", "crit", "neg"):
        assert contrast(theme, token, "crit-ground") >= 4.4, token


@pytest.mark.parametrize("theme", THEMES)
def test_controls_and_gauges_stand_out(theme: str) -> None:
    for token in ("edge", "ok"):
        assert contrast(theme, token, "bg") >= 3, token
