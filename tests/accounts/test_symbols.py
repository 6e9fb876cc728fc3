"""A server's table of names is set whole, strictly, and in its own server only."""

from __future__ import annotations

import pytest

from accounts import symbols
from accounts.models import AuditEntry, Server, SymbolName, User
from accounts.symbols import Changed, SymbolError, import_csv, set_names


@pytest.fixture
def officer(people: dict[str, User]) -> User:
    return people["risk_officer"]


@pytest.fixture
def server(db: None) -> Server:
    return Server.objects.create(name="main", kind="fxsocket")


def table(server: Server) -> dict[str, str]:
    return dict(SymbolName.objects.filter(server=server).values_list("raw", "base"))


def test_names_are_added_changed_and_removed(officer: User, server: Server) -> None:
    other = Server.objects.create(name="other", kind="fxsocket")
    set_names(other, {"GOLD": "XAUEUR"}, officer)
    assert set_names(server, {"GOLD": "xauusd", "DAX": "GER40"}, officer) == Changed(2, 0, 0, 0)
    assert set_names(server, {"GOLD": "XAUUSD", "DAX": "DE40"}, officer) == Changed(0, 1, 0, 1)
    assert set_names(server, {"DAX": None}, officer) == Changed(0, 0, 1, 0)
    assert (table(server), table(other)) == ({"GOLD": "XAUUSD"}, {"GOLD": "XAUEUR"})
    *_, changed, removed = AuditEntry.objects.filter(verb="symbol_names_changed").order_by("pk")
    assert changed.detail["changed"] == ["DAX = DE40, was GER40"]
    assert (removed.actor, removed.target, removed.detail["removed"]) == (officer, "main", ["DAX, was DE40"])


def test_the_audit_log_says_of_every_name_what_it_was(officer: User, server: Server) -> None:
    """Names of coins too that look like a secret's: nobody else remembers what a name stood for in a dispute."""
    set_names(server, {"TOKENUSD": "BTCUSD"}, officer)
    assert AuditEntry.objects.get(verb="symbol_names_changed").detail["added"] == ["TOKENUSD = BTCUSD"]


def test_nothing_new_writes_nothing(officer: User, server: Server) -> None:
    set_names(server, {"GOLD": "XAUUSD"}, officer)
    set_names(server, {"GOLD": "XAUUSD"}, officer)
    assert AuditEntry.objects.filter(verb="symbol_names_changed").count() == 1


def test_a_csv_sets_names_and_takes_them_out(officer: User, server: Server) -> None:
    import_csv(server, "raw,base\nGOLD,XAUUSD\nDAX,GER40\n", officer)
    assert import_csv(server, "raw,base,removed\nGOLD,,yes\nOIL,USOIL,\n", officer) == Changed(1, 0, 1, 0)
    assert table(server) == {"DAX": "GER40", "OIL": "USOIL"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("raw,base\n,XAUUSD\n", "line 2 raw"),
        ("raw,base\nGOLD,\n", "line 2 base"),
        ("raw,base\nGOLD,XAU USD\n", "line 2 base"),
        ("raw,base\n" + "x" * 65 + ",XAUUSD\n", "line 2 raw"),
        ("raw,base\nGOLD,XAUUSD\nGOLD,XAUEUR\n", "line 3"),
        ("raw,base,removed\nGOLD,,yes\n", "GOLD"),
        ("raw,base,removed\nGOLD,,perhaps\n", "line 2 removed"),
        ("name,base\n", "line 1"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_set(officer: User, server: Server, text: str, path: str) -> None:
    with pytest.raises(SymbolError) as caught:
        import_csv(server, text, officer)
    assert path in [found for found, _ in caught.value.errors]
    assert table(server) == {}


@pytest.mark.parametrize("names", [{}, {"": "XAUUSD"}, {"A\0": "XAUUSD"}, {"A": ""}, {"A": "!"}, {"A": 5}])
def test_odd_names_are_refused(officer: User, server: Server, names: dict[str, str | None]) -> None:
    with pytest.raises(SymbolError):
        symbols.set_names(server, names, officer)
