"""What people may ask of the alert list."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.forms import ListForm

STATES = [
    ("open", "Open"),
    ("firing", "Firing"),
    ("acknowledged", "Acknowledged"),
    ("resolved", "Resolved"),
    ("all", "All"),
]
SEVERITIES = [("", "Any"), ("breach", "Breach"), ("critical", "Critical"), ("warning", "Warning")]


class AlertFilterForm(ListForm):
    """Which alerts to list; without a state the open ones."""

    columns = ("severity", "state", "account", "rule", "first", "last")

    q = forms.CharField(
        required=False, max_length=200, label="Search", widget=forms.TextInput(attrs={"type": "search"})
    )
    state = forms.ChoiceField(required=False, choices=STATES)
    severity = forms.ChoiceField(required=False, choices=SEVERITIES)

    def asked(self) -> dict[str, Any]:
        """The valid answers with the default state filled in."""
        return {**self.cleaned_data, "state": self.cleaned_data["state"] or "open"}


class ResolveForm(forms.Form):
    """Why a breach is closed by hand."""

    reason = forms.CharField(max_length=500, strip=True, label="Reason")
