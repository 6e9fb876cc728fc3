"""What every page's frame needs to know: the firm's time zone, and which servers are only watched."""

from __future__ import annotations

from django import template
from django.conf import settings

from accounts.permissions import AnyUser, may_watch_desk, role_of
from monitoring import replica

register = template.Library()


@register.simple_tag
def firm_zone() -> str:
    """The IANA name of the firm's time zone."""
    return str(settings.RISKDESK_TIME_ZONE)


@register.simple_tag
def dry_run_servers() -> tuple[str, ...]:
    """The servers whose limits are watched and not enforced."""
    return tuple(s.server for s in replica.get().servers() if s.enforcement_mode == "dry_run")


@register.simple_tag
def fragment(name: str) -> str:
    """The HTML that a higher layer gives every page, and pushes to it later."""
    return replica.render_fragment(name)


@register.simple_tag
def watches_desk(user: AnyUser) -> bool:
    """Whether the user's navigation has the desk."""
    return may_watch_desk(role_of(user))
