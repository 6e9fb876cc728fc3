"""What every list page shares: its headings with their links, its query, and the list alone for htmx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def render_list(request: HttpRequest, page: str, part: str, context: Mapping[str, Any]) -> HttpResponse:
    """The page, or its list alone where htmx asks for that; going back in the history asks for the whole page."""
    history = request.headers.get("HX-History-Restore-Request") == "true"
    alone = request.headers.get("HX-Request") == "true" and not history
    response = render(request, part if alone else page, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def headings(request: HttpRequest, titles: Mapping[str, str], sort: str) -> list[dict[str, str]]:
    """Each column with the link that sorts by it, the other way round where it is sorted by already."""
    return [
        {
            "title": title,
            "query": query(request, without=("page", "format", "sort"), sort=f"-{name}" if sort == name else name),
            "aria": "ascending" if sort == name else "descending" if sort == f"-{name}" else "none",
        }
        for name, title in titles.items()
    ]


def query(request: HttpRequest, without: Iterable[str] = ("page", "format"), **extra: str) -> str:
    """The page's query without some names and with others."""
    asked = request.GET.copy()
    for name in without:
        asked.pop(name, None)
    asked.update(extra)
    return asked.urlencode()
