"""The technical error page keeps the secrets of the settings to itself."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory
from django.views.debug import technical_500_response
from pytest_django import Settings

SECRET = "s3cretS3cret"


@pytest.mark.parametrize(
    "name", ["RISKDESK_SLACK_WEBHOOK_URL", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SECRET_KEY"]
)
def test_no_secret_of_the_settings_is_on_it(settings: Settings, name: str) -> None:
    setattr(settings, name, f"https://user:{SECRET}@example.org/{SECRET}")
    settings.DEBUG = True
    page = technical_500_response(RequestFactory().get("/"), RuntimeError, RuntimeError("a defect"), None)
    assert name in page.content.decode()
    assert SECRET not in page.content.decode()


def test_who_asks_under_another_name_is_told_so(settings: Settings, client: Client) -> None:
    settings.ALLOWED_HOSTS = ["desk.example.com"]
    answer = client.get("/login/", headers={"Host": "10.0.0.7:8000"})
    assert answer.status_code == 400
    assert "RISKDESK_ALLOWED_HOSTS" in answer.content.decode()
