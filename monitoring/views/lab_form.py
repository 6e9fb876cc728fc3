"""What a run of the rule lab is asked for: frames, and two rule sets; errors stand at their field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet

from accounts.forms import ListForm
from accounts.models import RuleSet
from accounts.refusals import storable_errors
from monitoring.engine.ruleset import RuleSetError, load_document, parse_rule_set
from monitoring.lab import peek
from monitoring.lab.runs import LARGEST_UPLOAD
from monitoring.lab.table import COLUMNS, SHOWN
from monitoring.live.recording.files import RecordedDay
from monitoring.models import LabState
from monitoring.objectives.words import TITLES

OWN, PASTED = "own", "json"
OWN_WORDS = "The accounts' own rules"
CENT = Decimal("0.01")
Document = dict[str, Any]


class LabFilterForm(ListForm):
    """Which runs to list."""

    columns: ClassVar[tuple[str, ...]] = ("created_at", "author", "label_a", "label_b", "state")

    state = forms.ChoiceField(
        required=False,
        choices=[("", "Any state"), *LabState.choices],
        error_messages={"invalid_choice": "There is no state “%(value)s”."},
    )
    text = forms.CharField(required=False, max_length=200, label="Rule set, frames or who")


class ResultFilterForm(ListForm):
    """Which accounts of a run to list."""

    columns: ClassVar[tuple[str, ...]] = tuple(COLUMNS)

    show = forms.ChoiceField(
        required=False,
        choices=list(SHOWN.items()),
        error_messages={"invalid_choice": "There is no choice “%(value)s”."},
    )
    rule = forms.ChoiceField(
        required=False,
        choices=[("", "Any rule"), *TITLES.items()],
        error_messages={"invalid_choice": "There is no rule “%(value)s”."},
    )
    account = forms.CharField(required=False, max_length=160)
    format = forms.ChoiceField(
        required=False,
        choices=[("csv", "CSV"), ("json", "JSON")],
        error_messages={"invalid_choice": "The result comes as a page, as csv or as json, not as “%(value)s”."},
    )


class LabForm(forms.Form):
    """Frames of recorded days or of a file, and two rule sets: of plans, the accounts' own, or pasted."""

    source = forms.ChoiceField(
        choices=[("recorded", "Recorded days"), ("upload", "A file")], initial="recorded", widget=forms.RadioSelect
    )
    shard = forms.ChoiceField(required=False, label="Recording")
    first_day = forms.DateField(required=False, label="First day", widget=forms.DateInput(attrs={"type": "date"}))
    last_day = forms.DateField(required=False, label="Last day", widget=forms.DateInput(attrs={"type": "date"}))
    upload = forms.FileField(
        required=False, label="File",
        help_text="Frames, one JSON object a line (.jsonl) or gzip of that (.jsonl.gz). They are judged by the calendar"
        " as it is now; a recording says its own.",
    )  # fmt: skip
    initial_balance = forms.DecimalField(
        required=False, label="Initial balance", min_value=CENT, max_digits=14, decimal_places=2, initial="100000.00",
        help_text="For a file of frames that says none; a recording has each account's own.",
    )  # fmt: skip
    rules_a = forms.ChoiceField(label="Rule set A")
    json_a = forms.CharField(required=False, label="Rule set A as JSON", widget=forms.Textarea(attrs={"rows": 8}))
    rules_b = forms.ChoiceField(label="Rule set B")
    json_b = forms.CharField(required=False, label="Rule set B as JSON", widget=forms.Textarea(attrs={"rows": 8}))

    def __init__(self, *args: Any, days: Sequence[RecordedDay], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.days = days
        self.labels: dict[str, str] = {}
        self.documents: dict[str, Document] = {}
        shards = list(dict.fromkeys(day.shard for day in days))
        self._choices("shard", [(shard, shard) for shard in shards])
        self._versions = {str(one.pk): one for one in _published()}
        choices = [(OWN, OWN_WORDS), *((key, _label(one)) for key, one in self._versions.items()), (PASTED, "As JSON")]
        for side in "ab":
            self._choices(f"rules_{side}", choices)
        for name, field in self.fields.items():
            if field.help_text:
                field.widget.attrs["aria-describedby"] = f"id_{name}_help"

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = choices  # type: ignore[attr-defined]  # Django's Field has none

    def clean(self) -> dict[str, Any]:
        """Frames that exist, and two rule sets that the engine takes and that differ."""
        asked = super().clean() or {}
        recorded = self._clean_upload(asked) if asked.get("source") == "upload" else self._clean_days(asked)
        for side in "ab":
            self._clean_rules(side, asked, recorded)
        if len(self.documents) == 2 and self.documents["a"] == self.documents["b"] and not self.errors:
            self.add_error("rules_b", "A and B are the same: choose two different rule sets.")
        return asked

    def _clean_days(self, asked: dict[str, Any]) -> bool:
        first, last = asked.get("first_day"), asked.get("last_day")
        if not self.days:
            self.add_error("source", "Nothing has been recorded: upload a file, or let the monitor record first.")
        elif not asked.get("shard"):
            self.add_error("shard", "Choose a recording.")
        elif first is None:
            self.add_error("first_day", "Choose the first day.")
        else:
            last = asked["last_day"] = last or first
            self._check_days(asked["shard"], first, last)
        return True

    def _check_days(self, shard: str, first: date, last: date) -> None:
        if last < first:
            self.add_error("last_day", "The last day lies before the first one.")
        elif not any(day.shard == shard and first <= day.day <= last for day in self.days):
            there = ", ".join(str(day.day) for day in self.days if day.shard == shard)
            self.add_error("first_day", f"{shard} has no recording of these days; there are: {there}.")

    def _clean_upload(self, asked: dict[str, Any]) -> bool:
        """Whether the file is a recording, which says its rules."""
        upload: UploadedFile[Any] | None = asked.get("upload")
        if upload is None:
            if "upload" not in self.errors:
                self.add_error("upload", "Choose a file.")
            return True
        if upload.size is not None and upload.size > LARGEST_UPLOAD:
            self.add_error("upload", f"It is larger than {LARGEST_UPLOAD >> 20} MB: upload it in parts.")
            return True
        start = upload.read(1 << 18)
        upload.seek(0)
        try:
            return peek.says_rules(start)
        except peek.NoFrames as error:
            self.add_error("upload", f"No line of it can be read as a frame; {error}.")
            return True

    def _clean_rules(self, side: str, asked: dict[str, Any], recorded: bool) -> None:
        chosen, place = asked.get(f"rules_{side}"), f"rules_{side}"
        if not chosen:
            return
        if chosen == OWN:
            if not recorded:
                self.add_error(place, "These frames say no rules of their own: choose a rule set.")
                return
            self.labels[side], self.documents[side] = OWN_WORDS, {}
            return
        size = str((asked.get("initial_balance") or Decimal(100_000)).quantize(CENT, ROUND_HALF_UP))
        brought = {"version": 1, "currency": "USD", "initial_balance": size}
        try:
            if chosen == PASTED:
                place, label = f"json_{side}", "Pasted JSON"
                document = brought | load_document(asked.get(f"json_{side}") or "")
                if errors := storable_errors(document):
                    raise RuleSetError(errors)
            else:
                version = self._versions[chosen]
                label = _label(version)
                document = brought | version.document | {"version": version.version}
            rule_set = parse_rule_set(document)
        except RuleSetError as error:
            for path, message in error.errors:
                self.add_error(place, f"{path}: {message}" if path else message)
            return
        self.labels[side] = label if chosen != PASTED else f"{label}, version {rule_set.version}"
        self.documents[side] = document


def _published() -> QuerySet[RuleSet]:
    return RuleSet.objects.select_related("phase__plan").order_by("phase__plan__name", "phase__order", "-version")


def _label(rule_set: RuleSet) -> str:
    return f"{rule_set.phase.plan.name}, {rule_set.phase.name}, version {rule_set.version}"
