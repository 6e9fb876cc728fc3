"""Makes sure of a Chromium for the browser tests: the system's, else apt's, else Playwright's, else says how."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def system_chromium() -> str | None:
    """The system's browser, or the one that RISKDESK_CHROMIUM names."""
    named = os.environ.get("RISKDESK_CHROMIUM")
    return next((found for name in ([named] if named else NAMES) if (found := shutil.which(name))), None)


def playwright_chromium() -> str | None:
    """Playwright's own browser, if it has been installed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def starts(path: str) -> bool:
    """Whether the browser runs here (Ubuntu's `chromium-browser` may be a stub without its snap)."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def chromium_path() -> str | None:
    """The browser that the tests use: the system's if it starts, else Playwright's own."""
    for find in (system_chromium, playwright_chromium):
        path = find()
        if path is not None and starts(path):
            return path
    return None


def attempt(*commands: list[str]) -> bool:
    """Run commands until one fails; whether a browser is there afterwards."""
    for command in commands:
        print("  " + " ".join(command), flush=True)
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            return False
    return chromium_path() is not None


def may_sudo() -> bool:
    """Whether sudo works here without a password."""
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0


def main() -> int:
    """Find or install a browser."""
    if chromium_path() is not None:
        return 0
    print("no Chromium found: installing one for the browser tests", flush=True)
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and (not prefix or may_sudo()):
        apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        if attempt([*apt, "update", "-q"], [*apt, "install", "-qy", "chromium"]):
            return 0
    if attempt([sys.executable, "-m", "playwright", "install", "chromium"]):
        return 0
    print(
        "The browser tests need Chromium, and it could not be installed from here. Any of these helps:\n"
        "  apt-get install chromium                      (as root, Debian and Ubuntu)\n"
        "  .venv/bin/playwright install --with-deps chromium\n"
        "  RISKDESK_CHROMIUM=/path/to/chrome make test",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
