"""Callers of the API, one of each role, with tokens of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from accounts import tokens
from accounts.models import User


@dataclass
class Caller:
    """Somebody with a token."""

    client: Client
    text: str

    def get(self, path: str, **query: Any) -> Any:
        """The answer to a GET."""
        return self.client.get(f"/api/v1{path}", query, headers=self._headers())

    def post(self, path: str, body: Any, kind: str = "application/json") -> Any:
        """The answer to a POST of JSON, or of a text as it is."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.client.post(f"/api/v1{path}", data, content_type=kind, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"} if self.text else {}


@pytest.fixture
def caller(people: dict[str, User], redis_url: str) -> Callable[[str], Caller]:
    """A caller as the user of that name; the empty name has no token."""

    def make(name: str) -> Caller:
        text = tokens.create(people[name], "test", people["head_of_risk"])[1] if name else ""
        return Caller(Client(REMOTE_ADDR="192.0.2.9"), text)

    return make
