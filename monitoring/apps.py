"""The app `monitoring`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils import timezone

if TYPE_CHECKING:  # models can only be loaded once the apps are
    from accounts.models import Server

UNKNOWN = re.compile(r"the symbol (.+) has no known base name", re.DOTALL)


class MonitoringConfig(AppConfig):
    """See the README's map."""

    name = "monitoring"

    def ready(self) -> None:
        """Tell the book which names of symbols the engine could not judge, and every page what waits for a decision."""
        from accounts.symbols import tell_unknown
        from monitoring import flags
        from monitoring.replica import register_fragment

        tell_unknown(_unknown_symbols)
        register_fragment("review-count", lambda: {"waiting": flags.waiting()}, "monitoring/_review_count.html")


def _unknown_symbols(server: Server) -> list[str]:
    """Raw names of which accounts of the server were told in the last 30 days that they have no base name."""
    from monitoring.models import RiskEvent

    rows = RiskEvent.objects.filter(
        account__server=server, event="refused", rule="symbols", at__gte=timezone.now() - timedelta(days=30)
    )
    return [found[1] for reason in rows.values_list("reason", flat=True) if (found := UNKNOWN.match(reason))]
