"""What every page's frame needs to know: the firm's time zone, and which servers are only watched."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.utils.safestring import mark_safe

from accounts.models import Server
from accounts.permissions import AnyUser, may_watch_desk, role_of
from monitoring import replica

register = template.Library()


@register.simple_tag
def firm_zone() -> str:
    """The IANA name of the firm's time zone."""
    return str(settings.RISKDESK_TIME_ZONE)


@register.simple_tag
def dry_run_servers() -> tuple[str, ...]:
    """The servers whose limits are watched and not enforced: as their monitors say, else as the book has them."""
    modes = {one.server: one.enforcement_mode for one in replica.get().servers()}
    if not modes:
        modes = dict(Server.objects.values_list("name", "enforcement"))
    known = modes or {settings.RISKDESK_SHARD: ""}
    return tuple(name for name, mode in known.items() if (mode or settings.RISKDESK_ENFORCEMENT) == "dry_run")


@register.simple_tag(takes_context=True)
def current(context: template.Context, url: str) -> str:
    """The attribute of a link of the navigation to the page that is shown, or to one above it."""
    path = context["request"].path
    if path == url:
        return mark_safe(' aria-current="page"')
    return mark_safe(' aria-current="true"') if path.startswith(url) else ""


@register.simple_tag
def fragment(name: str) -> str:
    """The HTML that a higher layer gives every page, and pushes to it later."""
    return replica.render_fragment(name)


@register.simple_tag
def watches_desk(user: AnyUser) -> bool:
    """Whether the user's navigation has the desk."""
    return may_watch_desk(role_of(user))
