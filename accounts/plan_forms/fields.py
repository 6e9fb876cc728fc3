"""What a template needs of a rule set's form: fields with their values, and what the engine says at each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.plan_forms.specs import GENERAL, RULES, WINDOW, Choices, Spec
from accounts.plan_forms.values import Document, extras, field_name, json_text, shown

Said = tuple[str, str]  # path, message


@dataclass(slots=True)
class Field:
    """One field; its id is its name."""

    name: str
    spec: Spec
    value: str = ""
    picked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """How it is shown: text, choice, many, zone, json."""
        return {"flag": "choice", "whole": "text", "words": "text"}.get(self.spec.kind, self.spec.kind)

    @property
    def when(self) -> tuple[str, tuple[str, ...]] | None:
        """The field, and its values, that it is shown for; None: it is shown always."""
        return None if self.spec.judges and self.value else self.spec.when

    @property
    def options(self) -> Choices:
        """The choices, a value that is none of them included, so that a wrong one is seen and not replaced."""
        known = {value for value, _ in self.spec.choices}
        first: Choices = ()
        if self.spec.default is not None:
            first = (("", f"Left out: {self.spec.default}"),)
        elif self.value == "":
            first = (("", "Choose…"),)
        wrong: Choices = ((self.value, f"{self.value} (unknown)"),) if self.value and self.value not in known else ()
        return first + self.spec.choices + wrong

    @property
    def boxes(self) -> list[tuple[str, str, bool]]:
        """The choices of a list with whether each is picked, unknown ones included."""
        known = {value for value, _ in self.spec.choices}
        wrong = [(value, f"{value} (unknown)", True) for value in self.picked if value not in known]
        return [(value, label, value in self.picked) for value, label in self.spec.choices] + wrong

    @property
    def numeric(self) -> bool:
        """Whether a telephone shows digits for it."""
        return self.spec.kind == "whole" or self.spec.unit in {"%", "lots", "account currency"}


@dataclass(slots=True)
class Window:
    """One row of local hours."""

    name: str
    index: int
    fields: list[Field]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RuleForm:
    """One rule: its fields, its windows, what no field can hold, and what is wrong with the rule as a whole."""

    index: int
    kind: str
    title: str
    known: bool
    fields: list[Field]
    windows: list[Window]
    extra: Field | None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The beginning of its fields' names."""
        return f"rules-{self.index}"

    @property
    def everything(self) -> list[Field]:
        """Every field of it."""
        inner = [one for window in self.windows for one in window.fields]
        return [*self.fields, *inner, *([self.extra] if self.extra else [])]


@dataclass(slots=True)
class RuleSetForm:
    """The whole form; `errors` and `warnings` are those that belong to no field."""

    general: list[Field]
    extra: Field | None
    rules: list[RuleForm]
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    wrong: int = 0
    doubtful: int = 0

    @property
    def fields(self) -> list[Field]:
        """Every field."""
        top = [*self.general, *([self.extra] if self.extra else [])]
        return top + [one for rule in self.rules for one in rule.everything]


def form_of(document: Document, errors: Iterable[Said] = (), warnings: Iterable[Said] = ()) -> RuleSetForm:
    """The form of a document, with each message of the engine at its field, or as near to it as there is one."""
    listed = document.get("rules", [])
    rules = [_rule_form(index, entry) for index, entry in enumerate(listed if isinstance(listed, list) else [])]
    left = extras(document, GENERAL, frozenset({"rules"}))
    if not isinstance(listed, list):
        left["rules"] = listed
    form = RuleSetForm([_field("", spec, document) for spec in GENERAL], _extra("", left), rules)
    for path, message in errors:
        _say(form, path, message, "errors")
        form.wrong += 1
    for path, message in warnings:
        _say(form, path, message, "warnings")
        form.doubtful += 1
    return form


def _rule_form(index: int, entry: Any) -> RuleForm:
    prefix = f"rules-{index}"
    kind = entry.get("rule") if isinstance(entry, Mapping) else None
    if not isinstance(kind, str) or kind not in RULES:
        return RuleForm(index, str(kind or ""), "Unknown rule", False, [], [], _extra(prefix, entry))
    title, specs = RULES[kind]
    fields = [_field(prefix, spec, entry) for spec in specs if spec.kind != "windows"]
    left = extras(entry, specs, frozenset({"rule"}))
    listed = (entry.get("windows") or []) if kind == "trading_hours" and "windows" not in left else []
    windows = [
        Window(f"{prefix}-windows-{n}", n, [_field(f"{prefix}-windows-{n}", spec, one) for spec in WINDOW])
        for n, one in enumerate(listed)
    ]
    return RuleForm(index, kind, title, True, fields, windows, _extra(prefix, left))


def _field(prefix: str, spec: Spec, holder: Mapping[str, Any]) -> Field:
    found, name = shown(holder, spec), f"{prefix}-{spec.name}" if prefix else spec.name
    if isinstance(found, list):
        return Field(name, spec, ", ".join(found), found)
    return Field(name, spec, found or "")


def _extra(prefix: str, left: Any) -> Field | None:
    """The field of what no other can hold; None: there is nothing of the kind."""
    if left == {}:
        return None
    spec = Spec("extra", "As JSON: what no field can hold", "json", default="nothing")
    return Field(f"{prefix}-extra" if prefix else "extra", spec, json_text(left))


def _say(form: RuleSetForm, path: str, message: str, where: str) -> None:
    """Put a message at its field; with its path in front of it where it lands on something else."""
    fields = {one.name: one for one in form.fields}
    windows = {window.name: window for rule in form.rules for window in rule.windows}
    rules = {rule.name: rule for rule in form.rules}
    name = field_name(path)
    if name in fields:
        getattr(fields[name], where).append(message)
        return
    inside = next((one for one in fields if one.startswith(f"{name}-")), None)
    if inside and name != "rules" and name not in rules and name not in windows:
        getattr(fields[inside], where).append(message)
        return
    while name:
        for holder in (fields.get(name), windows.get(name), rules.get(name)):
            if holder is not None and hasattr(holder, where):
                getattr(holder, where).append(message if field_name(path) == name else f"{path}: {message}")
                return
        name = name.rpartition("-")[0]
    getattr(form, where).append(f"{path}: {message}" if path else message)
