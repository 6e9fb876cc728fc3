"""What is raised for a rule set that cannot be used."""

from __future__ import annotations


class RuleSetError(ValueError):
    """A rule set that cannot be used; `errors` lists (path, message)."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or 'rule set'}: {message}" for path, message in errors))
        self.errors = errors
