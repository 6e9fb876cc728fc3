"""What is raised for a rule set that cannot be used."""

from __future__ import annotations


class RuleSetError(ValueError):
    """A rule set that cannot be used; `errors` lists (path, message), `warnings` what is odd about single values."""

    def __init__(self, errors: list[tuple[str, str]], warnings: list[tuple[str, str]] | None = None) -> None:
        super().__init__("; ".join(f"{path or 'rule set'}: {message}" for path, message in errors))
        self.errors = errors
        self.warnings = warnings or []
