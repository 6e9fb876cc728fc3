"""What run_desk starts is understood by what it starts."""

from __future__ import annotations

import dataclasses

import pytest
from pytest_django import Settings

from monitoring.management.commands.run_simulator import Command
from riskdesk.children import simulator_arguments


@pytest.mark.parametrize("key", ["sim_local_key", "-a1", "--demo", "=a"])
def test_the_simulator_takes_any_key(settings: Settings, key: str) -> None:
    settings.RISKDESK_UPSTREAM = dataclasses.replace(settings.RISKDESK_UPSTREAM, key=key)
    command, *arguments = simulator_arguments(settings)
    found = Command().create_parser("manage.py", command).parse_args(arguments)
    assert (found.key, found.accounts) == (key, settings.RISKDESK_DEMO_ACCOUNTS)
