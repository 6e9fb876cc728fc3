"""The book's part of the REST API; `riskdesk/api.py` mounts it."""

from accounts.api.accounts import router as accounts
from accounts.api.auth import Bearer, Sparingly, allowed
from accounts.api.bodies import StrictJson
from accounts.api.calendar import router as calendar
from accounts.api.overrides import router as overrides
from accounts.api.plans import router as plans
from accounts.api.symbols import router as symbols

ROUTERS = (
    ("/plans", plans),
    ("/accounts", accounts),
    ("/overrides", overrides),
    ("/calendar", calendar),
    ("/symbols", symbols),
)

__all__ = ["ROUTERS", "Bearer", "Sparingly", "StrictJson", "allowed"]
