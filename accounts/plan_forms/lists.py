"""What the list of plans, the preview and the small forms of plans take."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import validate_slug

from accounts.forms import ListForm

REASON_LENGTH = 500


class PlanFilterForm(ListForm):
    """Which plans to list; left empty: those that are sold."""

    columns = ("plan", "phase", "version", "running", "changed")

    q = forms.CharField(required=False, max_length=100, label="Search")
    state = forms.ChoiceField(
        required=False, choices=[("", "Sold now"), ("archived", "Archived"), ("all", "All")], label="Show",
        error_messages={"invalid_choice": "There is no state “%(value)s”; there are: archived, all."},
    )  # fmt: skip


class PreviewFilterForm(ListForm):
    """Which accounts of a preview to list."""

    columns = ("account", "trader", "version", "before", "after", "verdict")
    show = forms.ChoiceField(
        required=False,
        choices=[("", "All that change"), ("breach", "Would be in breach"), ("warn", "Would be warned"),
                 ("violate", "Would break a rule"), ("ease", "Would be eased"), ("unknown", "Unknown")],
        label="Show",
        error_messages={"invalid_choice": "There is no outcome “%(value)s”."},
    )  # fmt: skip
    q = forms.CharField(required=False, max_length=100, label="Search")


class JudgedFilterForm(ListForm):
    """Which challenges of a version to list; left empty: those that run."""

    columns = ("account", "trader", "state", "started")
    q = forms.CharField(required=False, max_length=100, label="Search")
    state = forms.ChoiceField(
        required=False, choices=[("", "Running"), ("ended", "Ended"), ("all", "All")], label="Show",
        error_messages={"invalid_choice": "There is no state “%(value)s”; there are: ended, all."},
    )  # fmt: skip


class NameForm(forms.Form):
    """A name and its place in addresses."""

    name = forms.CharField(max_length=120, error_messages={"required": "Give it a name."})
    slug = forms.CharField(
        max_length=50, validators=[validate_slug], label="Short name in addresses",
        error_messages={"required": "Give it a short name: letters, digits, - and _."},
    )  # fmt: skip


class NewPlanForm(NameForm):
    """A plan that begins empty or as a preset."""

    preset = forms.ChoiceField(required=False, label="Begin with")

    def __init__(self, data: Any = None, *, presets: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        field = self.fields["preset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "One empty phase"), *presets]


class NewPhaseForm(NameForm):
    """A further phase at the end of a plan."""

    prefix = "phase"


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        max_length=REASON_LENGTH, widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Say why: it is kept with the version and in the audit log."},
    )  # fmt: skip


class MoveForm(ReasonForm):
    """Why running challenges are moved, and how many of them would be in breach at once."""

    confirm = forms.CharField(required=False, max_length=12, label="How many would be in breach at once")
