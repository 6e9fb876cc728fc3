"""The settings as a whole: safe defaults, clear refusals, and one list of variables in three places."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from riskdesk.env import parse_env_file
from riskdesk.urlforms import broker_url, database_from

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_THE_FILE = {"RISKDESK_ENV_FILE"}  # names the file itself
UPSTREAM = {
    "RISKDESK_UPSTREAM_REST_URL": "https://api.example.com/v1",
    "RISKDESK_UPSTREAM_WS_URL": "wss://api.example.com/v1/stream",
    "RISKDESK_UPSTREAM_KEY": "the-key",
}


def load(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process of their own and print those that tests look at."""
    script = (
        "import json; from riskdesk import settings as s; print(json.dumps({"
        "'enforcement': s.RISKDESK_ENFORCEMENT, 'simulator': s.RISKDESK_UPSTREAM.is_simulator,"
        "'upstream': repr(s.RISKDESK_UPSTREAM), 'secure': s.SESSION_COOKIE_SECURE, 'hosts': s.ALLOWED_HOSTS,"
        "'debug': s.DEBUG, 'database': s.DATABASES['default']['NAME'], 'broker': s.CELERY_BROKER_URL}))"
    )
    env = {
        "PATH": os.environ["PATH"],
        "RISKDESK_ENV_FILE": "",
        "RISKDESK_STATE_DIR": str(tmp_path / "state"),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def loaded(tmp_path: Path, **variables: str) -> dict[str, object]:
    """The printed settings of a load that succeeds."""
    done = load(tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_without_an_upstream_the_simulator_is_enforced_live(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert (found["simulator"], found["enforcement"], found["debug"]) == (True, "live", False)


def test_a_real_upstream_is_not_acted_on_until_somebody_says_so(tmp_path: Path) -> None:
    found = loaded(tmp_path, **UPSTREAM)
    assert (found["simulator"], found["enforcement"]) == (False, "dry_run")
    assert "the-key" not in str(found["upstream"])
    assert loaded(tmp_path, **UPSTREAM, RISKDESK_ENFORCEMENT="live")["enforcement"] == "live"


def test_a_password_in_an_upstream_s_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    done = load(tmp_path, **{**UPSTREAM, "RISKDESK_UPSTREAM_REST_URL": "https://me:hush-hush@127.0.0.1/v1"})
    assert done.returncode != 0
    assert "RISKDESK_UPSTREAM_REST_URL must not hold a user or password" in done.stderr
    assert "hush-hush" not in done.stderr


@pytest.mark.parametrize("left_out", UPSTREAM)
def test_half_an_upstream_is_refused_naming_what_is_missing(tmp_path: Path, left_out: str) -> None:
    done = load(tmp_path, **{name: value for name, value in UPSTREAM.items() if name != left_out})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert f"{left_out} must be set too" in last


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("RISKDESK_DEMO_ACCOUNTS", "0"),
        ("RISKDESK_ENFORCEMENT", "Live"),
        ("RISKDESK_UPSTREAM_KIND", "mt4"),
        ("RISKDESK_TIME_ZONE", "Prague"),
        ("RISKDESK_DEBUG", "perhaps"),
        ("DATABASE_URL", "sqlite:///file"),
        ("DATABASE_URL", "postgresql://host/"),
        ("DATABASE_URL", "postgresql://host/name?no_such_option=1"),
        ("REDIS_URL", "http://host"),
        ("RISKDESK_SLACK_WEBHOOK_URL", "hooks"),
        ("RISKDESK_PUBLIC_URL", "desk.example.com"),
        ("RISKDESK_ALLOWED_HOSTS", " , "),
        ("RISKDESK_ALLOWED_HOSTS", "https://desk.example.com"),
        ("RISKDESK_ALLOWED_HOSTS", "desk.example.com:8000"),
        ("RISKDESK_SHARD", "eu:1"),
        ("RISKDESK_SIMULATOR_TICKS", "no/such/EURUSD.csv"),
        ("RISKDESK_SIMULATOR_RATE", "nan"),
        ("RISKDESK_STATE_DIR", "/proc/no-place-for-a-desk"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    done = load(tmp_path, **{name: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert name in last


def test_an_https_address_turns_secure_cookies_on(tmp_path: Path) -> None:
    found = loaded(tmp_path, RISKDESK_PUBLIC_URL="https://desk.example.com/")
    assert found["secure"] is True
    assert "desk.example.com" in str(found["hosts"])


def test_every_setting_is_in_the_example_and_in_the_readme() -> None:
    asked = set(settings.ENVIRONMENT.asked)
    example = set(parse_env_file((ROOT / ".env.example").read_text(encoding="utf-8")))
    table = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)
    assert example == asked
    assert set(table) - NOT_IN_THE_FILE == asked
    assert len(table) == len(set(table))


def test_no_setting_is_read_behind_that_list() -> None:
    behind = re.compile(r"(environ|getenv)\W+(get\W+)?RISKDESK_")
    sources = (path for app in ("riskdesk", "alerts", "monitoring", "accounts") for path in (ROOT / app).rglob("*.py"))
    found = {str(path.relative_to(ROOT)) for path in sources if behind.search(path.read_text(encoding="utf-8"))}
    assert found == {"riskdesk/env.py"}  # which file to read


def test_the_example_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    values = parse_env_file((ROOT / ".env.example").read_text(encoding="utf-8"))
    values["RISKDESK_STATE_DIR"] = str(tmp_path / "state")
    assert loaded(tmp_path, **values) == loaded(tmp_path)


def test_the_example_shows_the_real_defaults() -> None:
    values = parse_env_file((ROOT / ".env.example").read_text(encoding="utf-8"))
    assert {name: value for name, value in values.items() if value != settings.ENVIRONMENT.asked[name]} == {}


def test_addresses_take_the_form_that_each_library_wants() -> None:
    assert broker_url("redis://host:6379/3") == "redis://host:6379/3"
    assert broker_url("unix:///run/valkey.sock?db=2") == "redis+socket:///run/valkey.sock?virtual_host=2"
    entry = database_from("postgresql://me:p%40ss@db.example.com:5433/desk?sslmode=require")
    assert (entry["HOST"], entry["PORT"], entry["USER"], entry["PASSWORD"], entry["NAME"]) == (
        "db.example.com", "5433", "me", "p@ss", "desk",
    )  # fmt: skip
    assert entry["OPTIONS"]["sslmode"] == "require"
    assert database_from("postgresql://u@/d?host=%2Frun%2Fx")["HOST"] == "/run/x"


def test_a_command_says_the_wrong_value_in_one_line(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "RISKDESK_ENV_FILE": "", "RISKDESK_STATE_DIR": str(tmp_path), "PORT": "http"}
    done = subprocess.run(
        [sys.executable, "manage.py", "run_desk"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.strip() == "ImproperlyConfigured: PORT must be a whole number from 1 to 65535, not 'http'"
