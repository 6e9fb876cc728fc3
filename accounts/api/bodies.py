"""Bodies that come as CSV or as JSON, by their Content-Type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from ninja import Schema
from ninja.errors import HttpError, ValidationError
from pydantic import ValidationError as WrongShape

Shape = TypeVar("Shape", bound=Schema)


def csv_or_json(request: HttpRequest, shape: type[Shape]) -> str | Shape:
    """The text of a CSV body, or the JSON in its shape; 400, 413, 415 or 422 say what is wrong."""
    kind = (request.content_type or "").lower()
    try:
        text = request.body.decode("utf-8")
    except RequestDataTooBig as error:
        raise HttpError(413, "The body is too large: send it in parts.") from error
    except UnicodeDecodeError as error:
        raise HttpError(400, f"The body is no UTF-8: {error.reason} at byte {error.start}.") from error
    except UnreadablePostError as error:
        raise HttpError(400, "The body could not be read.") from error
    if kind == "text/csv":
        return text
    if kind != "application/json":
        raise HttpError(415, "Send text/csv or application/json.")
    try:
        return shape.model_validate(json.loads(text))
    except WrongShape as error:
        raise ValidationError([{**one, "loc": ("json", *one["loc"])} for one in error.errors()]) from error
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"The body is no JSON: {str(error)[:200]}") from error


def either(shape: type[Schema], example: str) -> Mapping[str, Any]:
    """What OpenAPI says of such a body."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": example},
                "application/json": {"schema": shape.model_json_schema()},
            },
        }
    }
