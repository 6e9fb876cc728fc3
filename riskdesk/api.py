"""The REST API under /api/v1/: bearer tokens only, problems as JSON; each app brings its own routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, Throttled, ValidationError

from accounts.api import ROUTERS, Bearer, Sparingly, StrictJson
from accounts.permissions import AccessRefused, access_was_refused, gate
from accounts.refusals import Complaint, Refusal
from monitoring.engine.ruleset import RuleSetError
from riskdesk.problems import problem

VERSION = "v1"
DESCRIPTION = (
    "The book of RiskDesk for the firm's other systems. Send `Authorization: Bearer rdk_…`; a token acts with the role "
    "of its user. What is not done is answered as `application/problem+json` with the path of every field concerned."
)

api = NinjaAPI(
    title="RiskDesk",
    version=VERSION,
    description=DESCRIPTION,
    openapi_url=None,  # riskdesk.apidocs serves it, behind the gate
    docs_url=None,
    auth=Bearer(),
    throttle=Sparingly(),
    parser=StrictJson(),
    urls_namespace="api-v1",
)
for prefix, router in ROUTERS:
    api.add_router(prefix, router)

unknown = Router()


@unknown.get("/", include_in_schema=False)
def here(request: HttpRequest) -> dict[str, str]:
    """Where to read on."""
    return {"name": "RiskDesk", "version": VERSION, "docs": "/api/docs", "openapi": "/api/v1/openapi.json"}


@unknown.api_operation(["GET", "POST", "PUT", "PATCH", "DELETE"], "/{path:rest}", include_in_schema=False)
def no_such_address(request: HttpRequest, rest: str) -> None:
    """Whatever no route has."""
    raise Http404(f"The API has no /{rest}.")


api.add_router("", unknown)  # last: the first route that fits answers


@api.exception_handler(Refusal)
def refused(request: HttpRequest, error: Refusal) -> HttpResponse:
    """What the book refused."""
    return problem(409 if error.conflict else 422, str(error)[:1000], error.errors, warnings=error.warnings)


@api.exception_handler(AccessRefused)
def not_allowed(request: HttpRequest, error: AccessRefused) -> HttpResponse:
    """What the user's role does not allow; it is in the audit log as on the pages."""
    access_was_refused.send(gate, actor=request.user, target=request.path, reason=error.reason, request=request)
    return problem(403, error.reason)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    """What does not exist."""
    return problem(404, str(error) or "There is no such thing.")


@api.exception_handler(ValidationError)
def not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A body or a query that is not of its shape; where there is none at all, that is said."""
    errors = [(_path(one["loc"]), str(one["msg"])) for one in error.errors]
    if errors == [("", "Field required")]:
        return problem(400, "The body is empty: send a JSON object.")
    return problem(422, _sentence(errors), errors)


@api.exception_handler(Throttled)
def too_often(request: HttpRequest, error: Throttled) -> HttpResponse:
    """Slower, please."""
    wait = int(error.wait or 1)
    return problem(429, f"Too many requests: wait {wait} s.", headers={"Retry-After": str(wait)})


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """More than a request may carry."""
    return problem(413, "The body is too large: send it in parts.")


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """The rest: no token, no JSON, another content type."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else None
    if isinstance(error.__cause__, RuleSetError):  # what the parser said, in the words of `replay` and of the forms
        return _not_read(error.__cause__)
    return problem(error.status_code, str(error), headers=headers)


def _not_read(error: RuleSetError) -> HttpResponse:
    """A body that is no JSON object is a 400; one that repeats a key or names no number has it at its path: 422."""
    return problem(422 if any(path for path, _ in error.errors) else 400, _sentence(error.errors), error.errors)


def _sentence(errors: Iterable[Complaint]) -> str:
    """Every complaint in one text; what concerns the whole has no path."""
    return "; ".join(f"{path}: {message}" if path else message for path, message in errors)[:1000]


def _path(loc: Iterable[Any]) -> str:
    """A field's path: of a body without the name of its parameter, of a query its name."""
    parts = list(loc)
    dropped = 2 if parts[:1] == ["body"] else 1
    text = ""
    for part in parts[dropped:]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
