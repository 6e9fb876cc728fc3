"""The REST API under /api/v1/: bearer tokens only, problems as JSON; each app brings its own routes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, Throttled, ValidationError

from accounts.api import ROUTERS, Bearer, Sparingly
from accounts.api.shapes import Problem
from accounts.permissions import AccessRefused, access_was_refused, gate
from accounts.refusals import SHOWN, Refusal

VERSION = "v1"
TITLES = {
    400: "Bad request",
    401: "No token that holds",
    403: "Not allowed",
    404: "Not found",
    409: "Not as things stand",
    413: "Too large",
    415: "Another content type",
    422: "Not valid",
    429: "Too many requests",
}
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


def problem(
    status: int, detail: str, errors: Iterable[tuple[str, str]] = (), headers: dict[str, str] | None = None
) -> HttpResponse:
    """Why it was not done, as application/problem+json."""
    shown = [{"path": path, "message": message} for path, message in list(errors)[:SHOWN]]
    body = Problem.model_validate(
        {"title": TITLES.get(status, "Not done"), "status": status, "detail": detail, "errors": shown}
    )
    return JsonResponse(body.model_dump(), status=status, content_type="application/problem+json", headers=headers)


@api.exception_handler(Refusal)
def refused(request: HttpRequest, error: Refusal) -> HttpResponse:
    """What the book refused."""
    return problem(409 if error.conflict else 422, str(error)[:1000], error.errors)


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
    """A body or a query that is not of its shape."""
    errors = [(_path(one["loc"]), str(one["msg"])) for one in error.errors]
    return problem(422, "; ".join(f"{path}: {message}" for path, message in errors)[:1000], errors)


@api.exception_handler(Throttled)
def too_often(request: HttpRequest, error: Throttled) -> HttpResponse:
    """Slower, please."""
    wait = int(error.wait or 1)
    return problem(429, f"Too many requests: wait {wait} s.", headers={"Retry-After": str(wait)})


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """The rest: no token, no JSON, another content type."""
    headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else None
    return problem(error.status_code, str(error), headers=headers)


def _path(loc: Iterable[Any]) -> str:
    """A field's path: of a body without the name of its parameter, of a query its name."""
    parts = list(loc)
    dropped = 2 if parts[:1] == ["body"] else 1
    text = ""
    for part in parts[dropped:]:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
