"""Whatever is refused below /api/v1/ is told as a problem in JSON, by whomever it was refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

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


def test_the_document_refuses_a_trader_in_json_too(caller: Make) -> None:
    made = caller("trader").get("/openapi.json")
    assert (made.status_code, made.headers["Content-Type"]) == (403, "application/problem+json")
