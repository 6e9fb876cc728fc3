"""Bodies of calls: JSON as strictly as `replay` reads it, or CSV, by their Content-Type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError
from ninja import Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from pydantic import ValidationError as WrongShape

from monitoring.engine.ruleset import RuleSetError, load_document

Shape = TypeVar("Shape", bound=Schema)

LARGEST = 3_000_000  # characters; Django refuses a body before that


class StrictJson(Parser):
    """JSON objects as `replay` reads them: what a lenient reader passes over in silence is an error with its path."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The object; RuleSetError for what is none, repeats a key or names no number."""
        return load_document(request.body, largest=LARGEST)


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
        return shape.model_validate(load_document(text, largest=LARGEST))
    except WrongShape as error:
        raise ValidationError([{**one, "loc": ("json", *one["loc"])} for one in error.errors()]) from error
    except RuleSetError as error:
        raise HttpError(400, "The body is no JSON.") from error


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
