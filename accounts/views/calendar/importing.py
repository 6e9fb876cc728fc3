"""The import: looked at first, then taken over whole."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import calendar as book
from accounts.calendar import CalendarError
from accounts.models import User
from accounts.permissions import access_calendar_change, gate
from accounts.views.calendar.forms import ImportForm

SHOWN = 100  # rows of a preview, of each kind
WRONG = 422


@require_http_methods(["GET", "HEAD", "POST"])
@gate(access_calendar_change)
def import_(request: HttpRequest) -> HttpResponse:
    """`do=preview` shows what would change, `do=import` takes it over; a wrong file is refused line by line."""
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method != "POST":
        return render(request, "accounts/calendar_import.html", {"form": ImportForm()})
    if not form.is_valid():
        return render(request, "accounts/calendar_import.html", {"form": form}, status=WRONG)
    asked = form.cleaned_data
    try:
        if request.POST.get("do") == "import":
            return _taken_over(request, asked)
        return render(request, "accounts/calendar_import.html", _preview(asked))
    except CalendarError as error:
        context = {"form": _again(asked), "errors": error.errors[:SHOWN], "more": max(0, len(error.errors) - SHOWN)}
        return render(request, "accounts/calendar_import.html", context, status=WRONG)


def _taken_over(request: HttpRequest, asked: dict[str, Any]) -> HttpResponse:
    assert isinstance(request.user, User)
    take = book.import_news_csv if asked["kind"] == "news" else book.import_holidays_csv
    made = take(asked["text"], request.user, asked["source"], note=asked["note"], request=request)
    if made is None:
        messages.info(request, "Nothing differs from what the calendar says already: no revision was made.")
    else:
        counts = f"{made.added} added, {made.changed} changed, {made.withdrawn} withdrawn"
        messages.success(request, f"Imported as revision {made}: {counts}.")
    return redirect(f"{reverse('calendar')}?show={asked['kind']}")


def _preview(asked: dict[str, Any]) -> dict[str, Any]:
    if asked["kind"] == "news":
        changes: Any = book.compare_news(book.read_news_csv(asked["text"]))
    else:
        changes = book.compare_holidays(book.read_holidays_csv(asked["text"]))
    lines = [
        *(("added", None, row) for row in changes.added),
        *(("changed", held, row) for held, row in changes.changed),
        *(("withdrawn", held, None) for held in changes.withdrawn),
    ]
    return {
        "form": _again(asked),
        "changes": changes,
        "counts": (len(changes.added), len(changes.changed), len(changes.withdrawn), changes.unchanged),
        "lines": lines[:SHOWN],
        "more": max(0, len(lines) - SHOWN),
        "kind": asked["kind"],
        "asked": asked,
    }


def _again(asked: dict[str, Any]) -> ImportForm:
    """The form with what was sent; a file comes back as its text."""
    return ImportForm(initial={name: asked[name] for name in ("kind", "text", "note", "source")})
