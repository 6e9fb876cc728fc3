"""The web process: pages through Django, sockets through Channels (same origin, same session)."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskdesk.settings")
settings.DATABASES["default"]["CONN_MAX_AGE"] = 0  # a request's thread ends with it, and must leave no connection open
pages = get_asgi_application()  # before the imports below, which need the apps loaded

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402

from accounts.permissions.origins import SameOrigin  # noqa: E402
from monitoring import replica  # noqa: E402
from monitoring.routing import websocket_urlpatterns  # noqa: E402
from riskdesk.heads import WithoutBodies  # noqa: E402
from riskdesk.limits import AtMost  # noqa: E402

replica.start()  # Daphne has no lifespan: the copy of the book begins with the process

application = ProtocolTypeRouter(
    {
        "http": AtMost(WithoutBodies(pages)),
        "websocket": SameOrigin(CookieMiddleware(URLRouter(websocket_urlpatterns))),
    }
)
