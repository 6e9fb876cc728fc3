"""The reset preview of one account, a fragment that its page asks for again and again."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Challenge
from accounts.permissions import access_account, gate
from accounts.templatetags import formats
from monitoring.engine.ruleset.sentences import title_of
from monitoring.whatif.resets import ResetPreview, reset_preview


@require_safe
@never_cache
@gate()
def reset(request: HttpRequest, public_id: str) -> HttpResponse:
    """What every floor would be if the day reset now."""
    found = access_account(request.user, public_id)
    challenge = (
        Challenge.objects.filter(account=found)
        .select_related("account", "rule_set__phase")
        .order_by("-started_at", "-pk")
        .first()
    )
    preview = (
        reset_preview(challenge, timezone.now()) if challenge else ResetPreview(why_not="It has no challenge yet.")
    )
    return render(request, "monitoring/_reset.html", {"account": found, "preview": preview, "rows": _rows(preview)})


def _rows(preview: ResetPreview) -> list[dict[str, object]]:
    return [
        {
            "title": title_of({"rule": now.rule, "mode": preview.modes.get(now.index)}),
            "measured": formats.money(then.measured, preview.digits),
            "floor": formats.money(now.floor, preview.digits),
            "then": formats.money(then.floor, preview.digits),
            "room": formats.money(then.room, preview.digits),
            "crossed": then.crossed,
            "consequence": then.consequence,
        }
        for now, then in preview.rules
    ]
