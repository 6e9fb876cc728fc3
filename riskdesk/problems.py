"""Whatever refuses a call of the API, Django itself included, says so as application/problem+json."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import iscoroutinefunction
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from accounts.api.shapes import Problem
from accounts.refusals import SHOWN, Complaint

API, PAGE = "/api/", "/api/docs"  # the page of the API is for people
JSON = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "No token that holds",
    403: "Not allowed",
    404: "Not found",
    405: "Another method",
    409: "Not as things stand",
    413: "Too large",
    415: "Another content type",
    422: "Not valid",
    429: "Too many requests",
    500: "A defect",
}


def problem(
    status: int,
    detail: str,
    errors: Iterable[Complaint] = (),
    headers: dict[str, str] | None = None,
    warnings: Iterable[Complaint] = (),
) -> HttpResponse:
    """Why it was not done, as application/problem+json."""
    return JsonResponse(_body(status, detail, errors, warnings), status=status, content_type=JSON, headers=headers)


@sync_and_async_middleware
def problems_of_the_api(get_response: Any) -> Any:
    """Middleware: what was refused below /api/ before or beside its calls, as a problem too."""
    if iscoroutinefunction(get_response):

        async def later(request: HttpRequest) -> HttpResponseBase:
            answer: HttpResponseBase = await get_response(request)
            return _told(request, answer)

        return later

    def at_once(request: HttpRequest) -> HttpResponseBase:
        return _told(request, get_response(request))

    return at_once


def _told(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """The answer, its page replaced by a problem; its other headers (Allow) stay."""
    if (
        request.path.startswith(API)
        and request.path != PAGE
        and answer.status_code >= 400
        and isinstance(answer, HttpResponse)
        and answer.headers.get("Content-Type") != JSON
    ):
        answer.content = JsonResponse(_body(answer.status_code, _detail(request, answer))).content
        answer.headers["Content-Type"] = JSON
        answer.headers["Content-Length"] = str(len(answer.content))  # said already, of the page
    return answer


def _detail(request: HttpRequest, answer: HttpResponse) -> str:
    if answer.status_code == 405:
        return f"{request.method} is not for this address; allowed: {answer.headers.get('Allow', 'nothing')}."
    return f"{TITLES.get(answer.status_code, 'Not done')}."


def _body(
    status: int, detail: str, errors: Iterable[Complaint] = (), warnings: Iterable[Complaint] = ()
) -> dict[str, Any]:
    said = {"errors": _shown(errors), "warnings": _shown(warnings)}
    title = TITLES.get(status, "Not done")
    return Problem.model_validate({"title": title, "status": status, "detail": detail, **said}).model_dump()


def _shown(complaints: Iterable[Complaint]) -> list[dict[str, str]]:
    return [{"path": path, "message": message} for path, message in list(complaints)[:SHOWN]]
