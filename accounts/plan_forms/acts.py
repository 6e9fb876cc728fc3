"""What the buttons of the editor do to a document: rules and hours added, removed, put in order (pure)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from accounts.plan_forms.specs import EMPTY_WINDOW, START
from accounts.plan_forms.values import MOST_RULES, MOST_WINDOWS, Document, Sent


def act(document: Document, wanted: str, sent: Sent) -> tuple[Document, str]:
    """The document after a button (`add`, `remove:2`, `up:2`, `down:2`, `add-window:2`, `remove-window:2:0`).

    With it, where the page goes on: "#rules-2". A button that means nothing here changes nothing.
    """
    name, *numbers = wanted.split(":")
    rules: list[Any] = deepcopy(document["rules"])
    places = [int(one) for one in numbers if one.isdecimal() and len(one) < 4]
    anchor = ""
    if name == "add" and len(rules) < MOST_RULES:
        kind = sent.get("add", "") or ""
        if kind in START:
            rules.append({"rule": kind, **deepcopy(START[kind])})
            anchor = f"#rules-{len(rules) - 1}"
    elif places and places[0] < len(rules):
        anchor = _at_rule(rules, name, places)
    return {**document, "rules": rules}, anchor


def _at_rule(rules: list[Any], name: str, places: list[int]) -> str:
    at = places[0]
    if name == "remove":
        del rules[at]
        return f"#rules-{min(at, len(rules) - 1)}" if rules else "#rules"
    if name in {"up", "down"}:
        to = min(max(at + (-1 if name == "up" else 1), 0), len(rules) - 1)
        rules.insert(to, rules.pop(at))
        return f"#rules-{to}"
    windows = rules[at].get("windows") if isinstance(rules[at], dict) else None
    if isinstance(windows, list):
        if name == "add-window" and len(windows) < MOST_WINDOWS:
            windows.append(deepcopy(EMPTY_WINDOW))
        elif name == "remove-window" and len(places) > 1 and places[1] < len(windows):
            del windows[places[1]]
    return f"#rules-{at}"
