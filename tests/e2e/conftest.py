"""A real web process and a real browser; every page of a test must end without a complaint of the browser.

`web` is Daphne on a free port with the test database and Valkey; `visit(path, user)` opens a page signed in as a user.
At the end of a test no page may have had a console error, an exception, a CSP violation or a request to elsewhere;
`visit.expected` takes patterns of console errors that a test provokes.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from accounts.models import Role, User
from tests.monitoring.wire import Wire
from tests.ports import free_port
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "test-artifacts"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
AXE_RUN = """() => axe
    .run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    .then((found) => found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`))"""
WATCH_CSP = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`))"""
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


class Web:
    """The web process."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self.env, self.log, self.port = env, log, 0  # the port is chosen at the first start
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address. It starts with the first use, so that it copies what a test has published before."""
        if not self.port:
            self.start()
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, on the port it had before if it had one, and wait until it listens."""
        self.port = self.port or free_port()
        command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "riskdesk.asgi:application"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            eventually(self._listening, within=30, what=f"Daphne listens; see {self.log}")
        except AssertionError:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is None:
            return
        self.process.send_signal(sent)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None

    def _listening(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"Daphne ended:\n{self.log.read_text(errors='replace')[-3000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Visit:
    """Opens pages and collects what the browser complains of."""

    def __init__(self, browser: Browser, web: Web) -> None:
        self.browser, self.web = browser, web
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.expected: list[str] = []

    def __call__(self, path: str, user: User | None, *, wide: int = 1600, high: int = 900, dark: bool = True) -> Page:
        """A new window at `path`, signed in as `user`."""
        context = self.browser.new_context(
            viewport={"width": wide, "height": high},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            timezone_id="UTC",
            locale="en-GB",
        )
        self.contexts.append(context)
        context.route("**/*", self._only_ours)
        if user is not None:
            client = Client()
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            context.add_cookies(
                [{"name": name, "value": morsel.value, "url": self.web.url} for name, morsel in client.cookies.items()]
            )
        page = context.new_page()
        page.add_init_script(WATCH_CSP)
        page.on("console", lambda message: self._heard(message.type, f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: self._heard("error", str(error)))
        page.goto(self.web.url + path)
        return page

    def check(self) -> None:
        """Close every window; fail on complaints."""
        for context in self.contexts:
            context.close()
        assert self.complaints == []

    def _heard(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not any(re.search(pattern, text) for pattern in self.expected):
            self.complaints.append(text)

    def _only_ours(self, route: Route) -> None:
        if route.request.url.startswith((self.web.url, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"request to elsewhere: {route.request.url}")
            route.abort()


def axe(page: Page) -> list[str]:
    """What axe finds on the page, as rule: elements; empty is what we want."""
    page.evaluate(AXE)
    found: list[str] = page.evaluate(AXE_RUN)
    return found


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page, to be looked at."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for the run."""
    # Playwright's loop runs in this thread, and Django would refuse the ORM beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def web(transactional_db: None, service_env: dict[str, str], tmp_path: Path) -> Iterator[Web]:
    """Daphne, ended with the test."""
    # The same secret, so that sessions made in this process are good in that one.
    process = Web({**service_env, "RISKDESK_SECRET_KEY": settings.SECRET_KEY}, tmp_path / "web.log")
    yield process
    process.stop(signal.SIGKILL)  # how it ends in order is a test of its own


@pytest.fixture
def visit(browser: Browser, web: Web) -> Iterator[Visit]:
    """Opens pages; complaints of the browser fail the test."""
    opener = Visit(browser, web)
    yield opener
    opener.check()


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    """A monitor's pen with a beating heart."""
    pen = Wire(redis_url)
    with pen.beating():
        yield pen


@pytest.fixture
def people(transactional_db: None) -> dict[str, User]:
    """A user of each role, by role."""
    made: dict[str, Any] = {role.value: User.objects.create_user(role.value, password="pw", role=role) for role in Role}
    return made
