"""`manage.py run_simulator` as a process: the line it prints, the flags it refuses, how it stops."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).parents[4]


@contextmanager
def command(*flags: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_simulator", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_it_listens_serves_and_stops_cleanly() -> None:
    with command("--port", "0", "--control-port", "0", "--accounts", "5", "--key", "k1", "--demo") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"Simulator listens at (http://127\.0\.0\.1:\d+/v1) \(control: (http://\S+)\)\n", line)
        assert found, (line, process.stderr.read() if process.stderr and not line else "")
        request = urllib.request.Request(found[1] + "/accounts", headers={"Authorization": "Bearer k1"})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert len(json.load(response)["data"]) == 5
        with urllib.request.urlopen(found[2] + "/health", timeout=10) as response:
            assert json.load(response)["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"rate": 0.0}, "--rate"),
        ({"ticks": [Path("nothing/EURUSD.csv")]}, r"EURUSD\.csv"),
        ({"market_start": "soon"}, "--market-start"),
        ({"scoped_key": ["k"]}, "--scoped-key"),
        ({"scoped_key": ["sim_local_key=acc_1"]}, "--key"),
        ({"key": " "}, "--key"),
        ({"rate": math.nan}, "--rate"),
        ({"speed": math.nan}, "--speed"),
        ({"speed": math.inf}, "--speed"),
        ({"rate_limit": 0}, "--rate-limit"),
        ({"port": 65_536}, "--port"),
        ({"control_port": -1}, "--control-port"),
        ({"market_start": "9999-12-31T23:59:59"}, "--market-start"),
        ({"market_start": "0001-01-01"}, "--market-start"),
    ],
)
def test_bad_flags_are_refused_by_name(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("run_simulator", **{"port": 0, "control_port": 0, **flags})
