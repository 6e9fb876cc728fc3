"""What people may ask of the calendar, and what they may import."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms

from accounts.forms import ListForm
from accounts.models import Impact

LARGEST = 2_000_000  # bytes; a preview sends the text once more
KINDS = (("news", "News"), ("holidays", "Holidays"))
SHOWN = (*KINDS, ("revisions", "Imports"))
TITLES = {
    "news": {"at": "Time (UTC)", "currency": "Currency", "impact": "Impact", "title": "Announcement"},
    "holidays": {"day": "Day", "server": "Server", "name": "Holiday"},
    "revisions": {"pk": "Revision", "at": "Time (UTC)", "author": "Who", "source": "From"},
}


class CalendarFilterForm(ListForm):
    """Which rows to list; without a first day, from today on."""

    show = forms.ChoiceField(
        required=False,
        choices=SHOWN,
        error_messages={"invalid_choice": "There is no list “%(value)s”; there are: news, holidays, revisions."},
    )
    q = forms.CharField(required=False, max_length=100, label="Search")
    currency = forms.CharField(required=False, max_length=8)
    impact = forms.ChoiceField(
        required=False,
        choices=[("", "Any impact"), *Impact.choices],
        error_messages={"invalid_choice": "There is no impact “%(value)s”; there are: high, medium, low."},
    )
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    revision = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        label="As of revision",
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), "A revision is a whole number."),
    )

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the list that is shown may be sorted by."""
        return tuple(TITLES[self.shown])

    @property
    def shown(self) -> str:
        """The list that is asked for; a wrong one is said, and the first shown."""
        asked = str(self.data.get("show") or "")
        return asked if asked in TITLES else "news"

    def clean(self) -> dict[str, Any]:
        """The two days in order."""
        asked = super().clean() or {}
        since, until = asked.get("since"), asked.get("until")
        if since and until and since > until:
            raise forms.ValidationError("The first day lies after the last one.")
        return asked


class ImportForm(forms.Form):
    """A CSV as a file or pasted; `do` says whether to look first or to take it over."""

    kind = forms.ChoiceField(choices=KINDS, label="What", error_messages={"invalid_choice": "Choose news or holidays."})
    file = forms.FileField(required=False, label="CSV file", allow_empty_file=True)
    text = forms.CharField(required=False, strip=False, label="Or its text", widget=forms.Textarea(attrs={"rows": 6}))
    note = forms.CharField(required=False, max_length=2000, label="Note")
    source = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].widget.attrs.update(spellcheck="false", placeholder="uid,at,currency,impact,title,symbols")
        self.fields["file"].widget.attrs.update(accept=".csv,text/csv")

    def clean(self) -> dict[str, Any]:
        """One text, from the file if there is one, and where it is from."""
        asked = super().clean() or {}
        upload = asked.get("file")
        if upload is not None:
            if upload.size > LARGEST:
                raise forms.ValidationError(f"The file has more than {LARGEST:,} bytes: import it in parts.")
            try:
                asked["text"] = upload.read().decode("utf-8")
            except UnicodeDecodeError as error:
                raise forms.ValidationError("The file is no UTF-8 text.") from error
            asked["source"] = str(upload.name or "file")[:200]
        elif not (asked.get("text") or "").strip():
            raise forms.ValidationError("Choose a file or paste its text.")
        asked["source"] = asked.get("source") or f"form, {datetime.now(UTC):%Y-%m-%d %H:%M}"
        return asked
