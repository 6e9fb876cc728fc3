"""The page of the servers' tables: one name, a whole file, and the names that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import symbols
from accounts.models import Server, SymbolName, User

SignIn = Callable[[str], Client]


@pytest.fixture
def server(db: None) -> Server:
    return Server.objects.create(name="main & co", kind="fxsocket")


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names = ["ZZZ.x", "GOLD.x"]
    monkeypatch.setattr(symbols, "_sources", [lambda server: names])
    return names


def test_a_name_is_set_changed_and_removed(signed_in: SignIn, server: Server) -> None:
    client = signed_in("risk_officer")
    where = f"/symbols/{server.pk}/"
    assert b"1 added" in client.post(where, {"raw": "GOLD.x", "base": "xauusd", "do": "set"}, follow=True).content
    assert b"1 changed" in client.post(where, {"raw": "GOLD.x", "base": "XAUEUR", "do": "set"}, follow=True).content
    assert list(SymbolName.objects.values_list("raw", "base", "author__username")) == [
        ("GOLD.x", "XAUEUR", "risk_officer")
    ]
    assert b"1 removed" in client.post(where, {"raw": "GOLD.x", "do": "remove"}, follow=True).content
    assert b"is empty" in client.get("/symbols/").content


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"raw": "", "base": "X", "do": "set"}, b"is missing"),
        ({"raw": "A\0", "base": "X", "do": "set"}, b"nobody would see: U+0000"),
        ({"raw": "A", "base": "no such", "do": "set"}, b"must be a base name"),
        ({"raw": "A", "do": "remove"}, b"is not in the table"),
        ({"text": "raw,base\nA\n", "do": "import"}, b"line 2"),
        ({"text": "", "do": "import"}, b"the file is empty"),
    ],
)
def test_what_is_wrong_is_said_on_the_page(
    signed_in: SignIn, server: Server, sent: dict[str, Any], said: bytes
) -> None:
    answer = signed_in("risk_officer").post(f"/symbols/{server.pk}/", sent)
    assert answer.status_code == 422
    assert said in answer.content
    assert not SymbolName.objects.exists()


def test_names_that_nobody_knows_come_first(signed_in: SignIn, server: Server, unknown: list[str]) -> None:
    client = signed_in("risk_officer")
    page = client.get("/symbols/").content.decode()
    assert page.index("Nobody knows these names yet") < page.index("GOLD.x") < page.index("ZZZ.x")
    client.post(f"/symbols/{server.pk}/", {"raw": "GOLD.x", "base": "XAUUSD", "do": "set"})
    assert symbols.unknown_names(server) == ["ZZZ.x"]


def test_a_table_goes_out_and_comes_in(signed_in: SignIn, server: Server, people: dict[str, User]) -> None:
    names = {"GOLD": "XAUUSD", "DAX": "GER40", "@ES": "US500"}
    symbols.set_names(server, names, people["risk_officer"])
    client = signed_in("risk_officer")
    answer: Any = client.get("/symbols/", {"server": server.name, "format": "csv"})
    text = b"".join(answer.streaming_content).decode()
    assert text.splitlines()[0] == "raw,base"
    assert "'@ES,US500\r\n" in text  # no formula for a spreadsheet
    SymbolName.objects.all().delete()
    client.post(f"/symbols/{server.pk}/", {"text": text, "do": "import"})
    assert dict(SymbolName.objects.values_list("raw", "base")) == names
    assert b"1\xe2\x80\x931 of 1" in client.get("/symbols/?q=dax").content


def test_the_page_without_a_server_and_of_an_unknown_one(signed_in: SignIn, db: None) -> None:
    client = signed_in("auditor")
    assert b"There is no server yet" in client.get("/symbols/").content
    Server.objects.create(name="main", kind="fxsocket")
    assert "There is no server “other”." in client.get("/symbols/?server=other").content.decode()
    assert client.post("/symbols/1/", {}).status_code == 403
    assert signed_in("risk_officer").post(f"/symbols/{'9' * 30}/", {}).status_code == 404
