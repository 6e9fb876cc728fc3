"""What a browser sends when the editor shows a document: every field with its value, changed where a test says so."""

from __future__ import annotations

from typing import Any

from accounts.plan_forms import Document, form_of


def sent(document: Document, **extra: Any) -> dict[str, Any]:
    """The form's data; names in `extra` have _ for - (rules_0_amount_percent)."""
    form = form_of(document)
    data: dict[str, Any] = {f"{rule.name}-rule": rule.kind if rule.known else "" for rule in form.rules}
    for field in form.fields:
        data[field.name] = field.picked if field.kind == "many" else field.value
    return {**data, "do": "save", **{_name(key): value for key, value in extra.items()}}


def _name(key: str) -> str:
    """`rules_0_best_day_share` cannot be told from dashes: words that have _ of their own are kept."""
    for word in ("best_day_share", "warn_at", "clear_below", "stale_after", "trading_week", "before_minutes"):
        key = key.replace(word, word.replace("_", "\0"))
    return key.replace("_", "-").replace("\0", "_")
