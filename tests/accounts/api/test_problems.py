"""Whatever is refused below /api/ is told as a problem in JSON, by whomever it was refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.accounts.api.conftest import Caller

Make = Callable[[str], Caller]


@pytest.mark.parametrize("path", ["/plans", "/calendar/news", "/overrides"])
def test_a_body_that_is_too_large_is_a_problem(caller: Make, path: str) -> None:
    made = caller("head_of_risk").post(path, '{"reason": "' + "x" * 2_700_000 + '"}')
    assert (made.status_code, made.headers["Content-Type"]) == (413, "application/problem+json")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/plans", "/plans/import", "/openapi.json", "/"])
def test_another_method_is_a_problem_that_names_the_right_ones(caller: Make, path: str, method: str) -> None:
    made = caller("head_of_risk").client.generic(method, f"/api/v1{path}")
    assert (made.status_code, made.headers["Content-Type"]) == (405, "application/problem+json")
    assert made.headers["Allow"]
    assert made.json()["detail"].startswith(f"{method} is not for this address; allowed: ")
    assert made.headers["Content-Length"] == str(len(made.content))


def test_the_document_refuses_a_trader_in_json_too(caller: Make) -> None:
    made = caller("trader").get("/openapi.json")
    assert (made.status_code, made.headers["Content-Type"]) == (403, "application/problem+json")


@pytest.mark.parametrize("path", ["/api/", "/api/v2/plans", "/api/plans", "/api/v1/nothing"])
def test_a_client_that_mistook_the_address_reads_a_problem(caller: Make, path: str) -> None:
    one = caller("auditor")
    made = one.client.get(path, headers={"Authorization": f"Bearer {one.text}"})
    assert (made.status_code, made.headers["Content-Type"]) == (404, "application/problem+json")
    assert made.json()["status"] == 404
    assert made.headers.get("Content-Length", str(len(made.content))) == str(len(made.content))


def test_the_page_for_people_refuses_as_a_page(signed_in: Callable[[str], Client]) -> None:
    made = signed_in("trader").get("/api/docs")
    assert (made.status_code, made.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/plans", "/overrides", "/plans/import"])
def test_a_body_that_is_missing_is_said(caller: Make, path: str) -> None:
    made = caller("head_of_risk").post(path, "")
    assert (made.status_code, made.headers["Content-Type"]) == (400, "application/problem+json")
    assert not made.json()["detail"].startswith(":")
