"""The content security policy: on every page, and no template that it would break."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

TEMPLATES = sorted(
    path
    for folder in ("templates", "accounts", "monitoring", "alerts", "riskdesk")
    for path in (settings.BASE_DIR / folder).rglob("*.html")
)
INLINE = {
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=[\"']application/json)[^>]*>", re.I),
    "a style element": re.compile(r"<style\b", re.I),
    "a style attribute": re.compile(r"\sstyle\s*=", re.I),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "htmx code (hx-on, js:)": re.compile(r"\bhx-on\b|=[\"']js(?:on)?:|[\"']javascript:", re.I),
    "a file from elsewhere": re.compile(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", re.I),
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(settings.BASE_DIR)))
def test_a_template_has_nothing_that_the_policy_forbids(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    found = {what: match.group(0) for what, pattern in INLINE.items() if (match := pattern.search(text))}
    assert not found


@pytest.mark.urls("tests.accounts.urls")
@pytest.mark.parametrize("address", ["/login/", "/settings/", "/audit/", "/nowhere/", "/probe/access_own_accounts/"])
def test_every_page_carries_the_policy(signed_in: Callable[[str], Client], address: str) -> None:
    client = signed_in("auditor") if address != "/login/" else Client()
    policy = client.get(address).headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";") if part.strip())
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
