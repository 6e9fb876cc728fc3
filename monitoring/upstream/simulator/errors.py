"""What the simulator refuses, and with which status, code and words."""

from __future__ import annotations

from typing import Any

VALIDATION = frozenset({
    "invalid_symbol", "volume_out_of_range", "invalid_stops", "market_closed", "insufficient_margin", "max_lot_size",
    "max_open_positions", "symbol_not_allowed", "outside_trading_hours", "invalid_field",
})  # fmt: skip


class Refused(Exception):
    """A request that is refused; `reason` is the word on the wire (under `detail.reason` for a 422)."""

    def __init__(self, status: int, reason: str, message: str, *, limit: float | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.limit = limit
        self.detail = detail

    @classmethod
    def invalid(cls, field: str, message: str) -> Refused:
        """A field of the request that cannot be used."""
        return cls(422, "invalid_field", message, field=field)

    @property
    def code(self) -> str:
        """The `error` of the reply."""
        return "validation_error" if self.status == 422 and self.reason in VALIDATION else self.reason

    def body(self, request_id: str) -> dict[str, Any]:
        """The error reply."""
        detail = dict(self.detail)
        if self.code == "validation_error":
            detail["reason"] = self.reason
        if self.limit is not None:
            detail["limit"] = self.limit
        return {"error": self.code, "message": self.message, "detail": detail, "request_id": request_id}
