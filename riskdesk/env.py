"""Typed settings from the environment and `.env`: a wrong value fails at start, naming the variable."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
HOST = re.compile(r"\*|\.?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")  # as Django's ALLOWED_HOSTS can match them
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def parse_env_file(text: str, name: str = ".env") -> dict[str, str]:
    """The variables of a `.env` text: NAME=value lines, # comments, optional quotes; a bad line is refused."""
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key.isidentifier():
            raise ImproperlyConfigured(f"{name}, line {number}: expected NAME=value, got {raw.strip()[:20]!r}")
        if value[:1] in {'"', "'"}:
            quote = value[0]
            closing = value.find(quote, 1)
            if closing < 0:
                raise ImproperlyConfigured(f"{name}, line {number}: {key} has no closing {quote}")
            value = value[1:closing]
        else:
            value = value.split(" #", 1)[0].rstrip()
        values[key] = value
    return values


def kept_secret(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """The secret that `path` keeps (mode 0600), made and written at the first call; safe against a race."""
    try:
        return _kept(path, make)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be kept ({error.strerror or error}): set RISKDESK_STATE_DIR to a folder of your own"
        ) from error


def _kept(path: Path, make: Callable[[], str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(make() + "\n", encoding="utf-8")
        try:
            os.link(draft, path)  # atomic, and the first of two processes wins
        except FileExistsError:
            pass  # the other process's secret is the one to use
        finally:
            draft.unlink()
    return path.read_text(encoding="utf-8").strip()


class Environment:
    """Reads variables by type. An empty value counts as unset; `asked` has every name read, with its default."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.asked: dict[str, str] = {}

    @classmethod
    def load(cls, root: Path) -> Environment:
        """The process's environment over the `.env` of `root` (RISKDESK_ENV_FILE names another, empty for none)."""
        named = os.environ.get("RISKDESK_ENV_FILE", ".env")
        path = root / named
        from_file: dict[str, str] = {}
        if named and path.is_file():
            from_file = parse_env_file(path.read_text(encoding="utf-8"), named)
        elif named not in {"", ".env"}:
            raise ImproperlyConfigured(f"RISKDESK_ENV_FILE: there is no file {path}")
        return cls({**from_file, **os.environ})

    def text(self, name: str, default: str = "") -> str:
        """The value as it stands."""
        self.asked[name] = default
        return self.values.get(name, "").strip() or default

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number within low..high."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        return number

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        """A number within low..high."""
        value = self.text(name, f"{default:g}")
        try:
            found = float(value)
        except ValueError:
            found = low - 1
        if not low <= found <= high:
            raise ImproperlyConfigured(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return found

    def flag(self, name: str, default: bool) -> bool:
        """On or off."""
        value = self.text(name, "on" if default else "off").lower()
        if value not in TRUE | FALSE:
            raise ImproperlyConfigured(f"{name} must be on or off (1/0, true/false, yes/no), not {value!r}")
        return value in TRUE

    def instant(self, name: str) -> datetime | None:
        """A time in ISO 8601, of UTC where it names no zone; None when it is not set."""
        if not (text := self.text(name)):
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a time like 2014-05-08T12:00:00, not {text!r}") from None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found

    def choice(self, name: str, default: str, allowed: Collection[str]) -> str:
        """One of the allowed words."""
        value = self.text(name, default)
        if value not in allowed:
            words = ", ".join(sorted(word for word in allowed if word))
            raise ImproperlyConfigured(f"{name} must be one of {words}, not {value!r}")
        return value

    def url(self, name: str, default: str = "", *, schemes: Collection[str]) -> str:
        """An address with one of the schemes and a host (or, for unix, a path)."""
        value = self.text(name, default)
        if value and not _is_url(value, schemes):
            allowed = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ImproperlyConfigured(f"{name} must be an address that begins with {allowed}")
        return value

    def secret(self, name: str) -> str:
        """A secret, from NAME or from the file named by NAME_FILE; never both."""
        value, path = self.text(name), self.values.get(f"{name}_FILE", "").strip()
        if not path:
            return value
        if value:
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: keep one of them")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error

    def secret_url(self, name: str, *, schemes: Collection[str]) -> str:
        """As `secret`, and an address; the message of a wrong one does not show it."""
        value = self.secret(name)
        if value and not _is_url(value, schemes):
            allowed = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ImproperlyConfigured(f"{name} must be an address that begins with {allowed}")
        return value

    def hosts(self, name: str, public_url: str) -> list[str]:
        """Host names by commas; the default is this machine and the public address's host."""
        public = urlsplit(public_url).hostname
        default = ",".join(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", *([public] if public else [])]))
        hosts = [host.strip() for host in self.text(name, default).split(",") if host.strip()]
        if not hosts:
            raise ImproperlyConfigured(f"{name} names no host: give names by commas, or leave it out")
        for host in hosts:
            if not HOST.fullmatch(host):
                raise ImproperlyConfigured(
                    f"{name} must be host names by commas, without scheme, port or spaces, not {host!r}"
                )
        return hosts

    def name(self, name: str, default: str) -> str:
        """A short name that may be a part of keys and file names."""
        value = self.text(name, default)
        if not NAME.fullmatch(value):
            raise ImproperlyConfigured(f"{name} must be at most 64 letters, digits, '-', '_' and '.', not {value!r}")
        return value

    def files(self, name: str, root: Path) -> list[str]:
        """Existing files, by spaces; relative ones are looked for in `root`."""
        paths = [root / part for part in self.text(name).split()]
        for path in paths:
            if not path.is_file():
                raise ImproperlyConfigured(f"{name}: there is no file {path}")
        return [str(path) for path in paths]


def _is_url(value: str, schemes: Collection[str]) -> bool:
    """Whether the value has one of the schemes and says where: a host, or (not on the web) a path or query."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    elsewhere = parts.scheme not in {"http", "https", "ws", "wss"} and (parts.path.strip("/") or parts.query)
    return parts.scheme in schemes and bool(parts.hostname or elsewhere)
