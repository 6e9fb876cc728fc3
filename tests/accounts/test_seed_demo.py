"""The demo's people: made once, their changes kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import AuditEntry, Plan, RuleSet, User

ROLES = {"risk": "risk_officer", "head": "head_of_risk", "trader": "trader", "auditor": "auditor"}


@pytest.fixture
def kept(db: None, settings: Settings, tmp_path: Path) -> Path:
    """Where the generated password goes."""
    settings.RISKDESK_DEMO_PASSWORD = ""
    settings.RISKDESK_DEMO_PASSWORD_FILE = tmp_path / "state" / "demo_password"
    return tmp_path / "state" / "demo_password"


def seed() -> None:
    call_command("seed_demo", verbosity=0)


def test_a_fresh_desk_gets_its_people_and_its_plan(kept: Path) -> None:
    seed()
    password = kept.read_text().strip()
    assert len(password) >= 10
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert dict(User.objects.values_list("username", "role")) == ROLES
    assert all(user.check_password(password) for user in User.objects.all())
    assert Plan.objects.get().slug == "two-step"
    assert set(AuditEntry.objects.values_list("verb", "actor_name")) == {("user_created", "seed_demo")}
    assert not any(password in str(row) for row in AuditEntry.objects.values())


def test_seeding_again_changes_nothing(kept: Path) -> None:
    seed()
    before = (kept.read_text(), list(User.objects.order_by("pk").values()), list(RuleSet.objects.values()))
    seed()
    assert (kept.read_text(), list(User.objects.order_by("pk").values()), list(RuleSet.objects.values())) == before


def test_a_password_that_somebody_changed_stays(kept: Path) -> None:
    seed()
    risk = User.objects.get(username="risk")
    risk.set_password("his own long one")
    risk.save()
    seed()
    risk.refresh_from_db()
    assert risk.check_password("his own long one")


def test_the_printed_password_holds_though_the_kept_one_was_lost(kept: Path) -> None:
    seed()
    head = User.objects.get(username="head")
    head.set_password("her own long one")
    head.save()
    kept.unlink()
    seed()
    password = kept.read_text().strip()
    assert {user.username: user.check_password(password) for user in User.objects.all()} == {
        "risk": True, "trader": True, "auditor": True, "head": False,
    }  # fmt: skip
    assert User.objects.get(username="head").check_password("her own long one")
    told = AuditEntry.objects.filter(verb="password_changed", actor_name="seed_demo").values_list("target", flat=True)
    assert sorted(told) == ["auditor", "risk", "trader"]


def test_a_password_named_in_the_settings_is_set(kept: Path, settings: Settings) -> None:
    seed()
    settings.RISKDESK_DEMO_PASSWORD = "a password for the show"
    seed()
    assert all(user.check_password("a password for the show") for user in User.objects.all())


def test_a_role_that_somebody_changed_stays(kept: Path) -> None:
    seed()
    User.objects.filter(username="risk").update(role="auditor")
    seed()
    assert User.objects.get(username="risk").role == "auditor"


def test_only_the_head_of_risk_may_use_the_admin_site(kept: Path) -> None:
    seed()
    assert list(User.objects.filter(is_staff=True).values_list("username", flat=True)) == ["head"]
