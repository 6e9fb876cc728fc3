"""The API's own pages: what it can do, for people, and its OpenAPI document, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from ninja.errors import HttpError

from accounts.api import Bearer
from accounts.api.shapes import Problem
from accounts.permissions import access_api_docs, gate, may_give_tokens
from riskdesk.api import api, http_error
from riskdesk.problems import TITLES

REFUSALS, CHANGES = (401, 403, 404, 422, 429), (400, 409, 413, 415)  # of every call, and of those that change something
METHODS = ("get", "post", "put", "patch", "delete")


@require_GET
@gate(access_api_docs)
def docs(request: HttpRequest) -> HttpResponse:
    """Every call with its parameters, body and answers; no script, no file from elsewhere."""
    schema = document()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, operations in schema["paths"].items():
        for method in METHODS:
            if method in operations:
                groups.setdefault(operations[method]["tags"][0], []).append(_shown(path, method, operations[method]))
    shapes = [
        {"name": name, "json": json.dumps(shape, indent=2), "about": shape.get("description", "")}
        for name, shape in sorted(schema["components"]["schemas"].items())
    ]
    return render(
        request,
        "riskdesk/api.html",
        {"schema": schema, "groups": groups, "shapes": shapes, "may_give": may_give_tokens(request.user)},
    )


@require_GET
def openapi(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document, with a token or as somebody of the team who is signed in."""
    if "Authorization" not in request.headers:
        return _signed_in(request)
    try:
        Bearer()(request)
    except HttpError as error:
        return http_error(request, error)
    return _signed_in(request)


@gate(access_api_docs)
def _signed_in(request: HttpRequest) -> HttpResponse:
    return JsonResponse(document())


def document() -> Mapping[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = dict(api.get_openapi_schema())
    shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    found["components"]["schemas"] |= {**shape.pop("$defs", {}), "Problem": shape}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in found["paths"].values():
        for method, operation in operations.items():
            operation["responses"] |= {
                str(status): {"description": TITLES[status], "content": content}
                for status in (*REFUSALS, *(CHANGES if method == "post" else ()))
            }
    return found


def _shown(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "about": operation.get("description", ""),
        "parameters": [{**one, "type": _type(one["schema"])} for one in operation.get("parameters", [])],
        "bodies": [
            {"kind": kind, "shape": _shape(one.get("schema", {})), "example": one.get("example", "")}
            for kind, one in body.items()
        ],
        "answers": [
            {"status": status, "shape": _shape(_json(answer))}
            for status, answer in operation["responses"].items()
            if int(status) < 400  # the others are said once, above
        ],
    }


def _json(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _type(schema: Mapping[str, Any]) -> str:
    """A parameter's type in words."""
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    words = " or ".join(str(one.get("format") or one.get("type", "")) for one in options)
    return f"{words}, {schema['default']} when left out" if schema.get("default") is not None else words


def _shape(schema: Mapping[str, Any]) -> dict[str, str]:
    """The name of a shape that the page describes, and whether it is a list of such."""
    inner = schema.get("items", schema)
    name = str(inner.get("$ref", "")).rpartition("/")[2] or str(inner.get("title", ""))
    return {"name": name, "many": "yes" if "items" in schema else "", "linked": "yes" if "$ref" in inner else ""}
