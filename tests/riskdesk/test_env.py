"""A wrong setting fails at start and says which, why and what is allowed; secrets stay out of messages."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from riskdesk.env import Environment, kept_secret, parse_env_file

Reader = Callable[[Environment], object]


@pytest.mark.parametrize(
    ("value", "read", "says"),
    [
        ("eighty", lambda e: e.integer("X", 1, low=1, high=9), "X must be a whole number from 1 to 9, not 'eighty'"),
        ("10", lambda e: e.integer("X", 1, low=1, high=9), "X must be a whole number from 1 to 9, not '10'"),
        ("nan", lambda e: e.number("X", 1, low=0.1, high=9), "X must be a number from 0.1 to 9, not 'nan'"),
        ("maybe", lambda e: e.flag("X", False), "X must be on or off"),
        ("LIVE", lambda e: e.choice("X", "a", ("a", "b")), "X must be one of a, b, not 'LIVE'"),
        ("noon", lambda e: e.instant("X"), "X must be a time like 2014-05-08T12:00:00, not 'noon'"),
        ("ftp://host", lambda e: e.url("X", schemes=("https",)), "X must be an address that begins with https://"),
        ("https://", lambda e: e.url("X", schemes=("https",)), "X must be an address"),
        ("https:///v1", lambda e: e.url("X", schemes=("https",)), "X must be an address"),
        ("https://host:port", lambda e: e.url("X", schemes=("https",)), "X must be an address"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_is_allowed(value: str, read: Reader, says: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        read(Environment({"X": value}))
    assert says in str(caught.value)


def test_an_empty_value_is_no_value() -> None:
    env = Environment({"A": "", "B": "  ", "C": ""})
    assert env.integer("A", 5, low=1, high=9) == 5
    assert env.flag("B", True) is True
    assert env.choice("C", "x", ("x", "y")) == "x"
    assert env.instant("A") is None


def test_a_time_without_a_zone_is_of_utc() -> None:
    env = Environment({"A": "2014-05-08T12:00:00", "B": "2014-05-08T14:00:00+02:00"})
    assert env.instant("A") == env.instant("B") == datetime(2014, 5, 8, 12, tzinfo=UTC)


def test_a_secret_may_come_from_a_file_but_not_from_both(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("from a file\n")
    assert Environment({"KEY_FILE": str(path)}).secret("KEY") == "from a file"
    with pytest.raises(ImproperlyConfigured, match="KEY and KEY_FILE are both set"):
        Environment({"KEY": "a", "KEY_FILE": str(path)}).secret("KEY")
    with pytest.raises(ImproperlyConfigured, match="KEY_FILE cannot be read"):
        Environment({"KEY_FILE": str(tmp_path / "none")}).secret("KEY")


def test_the_message_of_a_wrong_secret_address_does_not_show_it() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        Environment({"HOOK": "hooks.example/T0/SECRET"}).secret_url("HOOK", schemes=("https",))
    assert "HOOK" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_an_env_file_has_comments_quotes_and_exports() -> None:
    text = "# note\n\nexport A=1\nB = two words # why\nC='# kept'\nD=\"x=y\"\nE=\nF=a#b\n"
    assert parse_env_file(text) == {"A": "1", "B": "two words", "C": "# kept", "D": "x=y", "E": "", "F": "a#b"}


@pytest.mark.parametrize("line", ["no equals sign", "1A=x", "=x", "A='open"])
def test_a_bad_line_of_an_env_file_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"\.env, line 2"):
        parse_env_file(f"A=1\n{line}\n")


@given(st.text())
def test_any_text_as_env_file_gives_values_or_a_clear_refusal(text: str) -> None:
    with contextlib.suppress(ImproperlyConfigured):
        assert all(name.isidentifier() for name in parse_env_file(text))


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.env").write_text("A=file\nB=file\n")
    monkeypatch.setenv("RISKDESK_ENV_FILE", "settings.env")
    monkeypatch.setenv("A", "environment")
    env = Environment.load(tmp_path)
    assert (env.text("A"), env.text("B")) == ("environment", "file")


def test_a_named_env_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKDESK_ENV_FILE", "typo.env")
    with pytest.raises(ImproperlyConfigured, match="RISKDESK_ENV_FILE: there is no file"):
        Environment.load(tmp_path)


def test_a_kept_secret_is_made_once_even_by_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: kept_secret(path), range(32)))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 48
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]
