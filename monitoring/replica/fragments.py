"""HTML that pages show first and sockets push later: one provider, one template, rendered once for everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from django.template.loader import render_to_string

Provider = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A template with one root element whose id is `name`, and what gives its context."""

    name: str
    template: str
    provider: Provider


_registry: dict[str, Fragment] = {}
_rendered: dict[str, tuple[object, str]] = {}
_locks: dict[str, Lock] = {}


def register_fragment(name: str, provider: Provider, template: str) -> None:
    """Have `template` pushed to every desk as the element `#name`; a second registration replaces the first.

    Called from an AppConfig.ready(). `provider` may use the ORM (it runs in a worker thread), and is asked again
    when `riskdesk:<name's notice>` comes (the rail: `riskdesk:alerts`).
    """
    _registry[name] = Fragment(name, template, provider)
    _locks.setdefault(name, Lock())
    _rendered.pop(name, None)


def registered(name: str) -> bool:
    """Whether somebody provides this fragment."""
    return name in _registry


def render_fragment(name: str, version: object = None) -> str:
    """The fragment's HTML, "" if nobody registered it; asked again with an equal `version` it is not rendered again.

    Blocking (templates, perhaps the database): from async code call it through a worker thread.
    """
    fragment = _registry.get(name)
    if fragment is None:
        return ""
    with _locks[name]:
        kept = _rendered.get(name)
        if version is not None and kept is not None and kept[0] == version:
            return kept[1]
        html = render_to_string(fragment.template, dict(fragment.provider()))
        _rendered[name] = (version, html)
        return html
