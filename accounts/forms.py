"""What people may type about themselves and ask of the audit log."""

from __future__ import annotations

from typing import Any, ClassVar
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

SHOWN_ZONES = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix/")))
NAME_LENGTH = 150  # of a user's name, as Django has it


class LoginForm(AuthenticationForm):
    """Name and password; a wrong pair is told without saying which of the two was wrong."""

    error_messages = {
        "invalid_login": "The name and the password do not match.",
        "inactive": "The name and the password do not match.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].widget.attrs.update(autocomplete="username", autocapitalize="none", spellcheck="false")
        self.fields["password"].widget.attrs.update(autocomplete="current-password")

    def clean_username(self) -> str:
        """A name that could be somebody's: django-axes has no room for longer ones."""
        name: str = self.cleaned_data["username"]
        if len(name) > NAME_LENGTH:
            raise self.get_invalid_login_error()
        return name


class NewPasswordForm(PasswordChangeForm):
    """The old password, the new one twice."""

    prefix = "password"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.update(autocomplete="current-password")
        self.fields["old_password"].widget.attrs.pop("autofocus", None)
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget.attrs.update(autocomplete="new-password")


class TimeZoneForm(forms.Form):
    """The zone whose clock stands beside UTC; empty means the firm's."""

    prefix = "zone"
    time_zone = forms.ChoiceField(
        required=False, choices=[("", "The firm's"), ("UTC", "UTC"), *((zone, zone) for zone in SHOWN_ZONES)]
    )


class ListForm(forms.Form):
    """What every list takes besides its filters; a wrong value is said, never quietly replaced by another."""

    columns: ClassVar[tuple[str, ...]] = ()  # what may be sorted by; with a leading - the other way round

    sort = forms.CharField(required=False, max_length=40)
    page = forms.IntegerField(
        required=False,
        min_value=1,
        error_messages=dict.fromkeys(("invalid", "min_value"), "The page is a whole number from 1 on."),
    )
    format = forms.ChoiceField(
        required=False,
        choices=[("csv", "CSV")],
        error_messages={"invalid_choice": "The list comes as a page or as csv, not as “%(value)s”."},
    )

    def clean_sort(self) -> str:
        """A column of the list."""
        asked: str = self.cleaned_data["sort"]
        if asked and asked.removeprefix("-") not in self.columns:
            raise forms.ValidationError(
                "There is no column “%(column)s” to sort by; there are: %(columns)s.",
                params={"column": asked, "columns": ", ".join(self.columns)},
            )
        return asked

    def sort_or(self, default: str) -> str:
        """The valid sort asked for, else the default."""
        return (self.cleaned_data.get("sort") if self.is_bound and not self.errors.get("sort") else "") or default


class AuditFilterForm(ListForm):
    """Which entries to list; empty fields ask nothing."""

    columns = ("at", "actor_name", "verb", "target")

    actor = forms.CharField(required=False, max_length=150)
    verb = forms.CharField(required=False, max_length=64)
    target = forms.CharField(required=False, max_length=200)
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        """The two days in order."""
        asked = super().clean() or {}
        since, until = asked.get("since"), asked.get("until")
        if since and until and since > until:
            raise forms.ValidationError("The first day lies after the last one.")
        return asked
