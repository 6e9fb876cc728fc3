"""The other side of the rule change benchmark, in a process of its own: makes the book, moves all its challenges.

`python -m tests.bench.mover make N` and `… move VERSION`; prints JSON. The settings' PostgreSQL must be running.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime

import django

from tests.bench.all_rules import all_rules

SERVER = "bench"


def main(words: list[str]) -> None:
    """Do what the words say."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    print(json.dumps({"make": make, "move": move}[words[0]](int(words[1]))), flush=True)


def make(accounts: int) -> dict[str, float]:
    """Tables, a plan whose rule set has every rule, and accounts that are judged by it."""
    from django.core.management import call_command

    from accounts.models import Account, Challenge, EnforcementMode, Phase, Plan, Role, RuleSet, Server, User

    call_command("migrate", verbosity=0)
    User.objects.create(username="head", role=Role.HEAD_OF_RISK)
    server = Server.objects.create(name=SERVER, kind="fxsocket", enforcement=EnforcementMode.DRY_RUN)
    plan = Plan.objects.create(slug="bench", name="Bench")
    phase = Phase.objects.create(plan=plan, slug="one", name="One", order=1)
    rule_set = RuleSet.objects.create(phase=phase, version=1, document=all_rules(1))
    names = [f"acc_{number}" for number in range(accounts)]
    made = Account.objects.bulk_create(
        [Account(public_id=name, server=server, upstream_id=name, login=name) for name in names], batch_size=1000
    )
    began = datetime.now(UTC)
    Challenge.objects.bulk_create(
        [Challenge(account=one, rule_set=rule_set, initial_balance="100000.00", started_at=began) for one in made],
        batch_size=1000,
    )
    return {"accounts": Challenge.objects.count()}


def move(version: int) -> dict[str, float]:
    """Publish the next version and move every challenge to it; when that was committed (epoch seconds)."""
    from django.db import transaction

    from accounts import moves
    from accounts.models import Challenge, Phase, RuleSet, User

    daily = "4" if version % 2 == 0 else "5"
    rule_set = RuleSet.objects.create(phase=Phase.objects.get(), version=version, document=all_rules(version, daily))
    began = time.time()
    with transaction.atomic():
        running = list(Challenge.objects.filter(ended_at=None).values_list("pk", flat=True))
        moved = moves.move_challenges(running, rule_set, User.objects.get(), "benchmark")
    return {"moved": moved, "committed": time.time(), "took": time.time() - began}


if __name__ == "__main__":
    main(sys.argv[1:])
