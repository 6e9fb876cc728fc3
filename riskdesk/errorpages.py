"""What Django's technical error page (RISKDESK_DEBUG) may show of the settings: no address that carries a secret."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class SecretsHidden(SafeExceptionReporterFilter):
    """Django's own list and ours: a webhook's address is its secret, a database's address may hold a password."""

    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|URL|WEBHOOK|UPSTREAM", re.I)
