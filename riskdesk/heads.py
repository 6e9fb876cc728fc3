"""HEAD asks for the headers alone. Daphne drops only the first part of a body, and a connection that is used again
would take the rest of a streamed one for the next answer.
"""

from __future__ import annotations

from typing import Any


class WithoutBodies:
    """Answers HEAD without a body, whatever the application says."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Hand on; of a body only its end."""
        if scope.get("method") != "HEAD":
            return await self.inner(scope, receive, send)

        async def send_head(message: Any) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not message.get("more_body"):
                await send({"type": "http.response.body", "body": b""})

        return await self.inner(scope, receive, send_head)
