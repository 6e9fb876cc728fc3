"""Empties the test database after a test that committed: only tables that have rows, in one statement.

Django's own flush truncates every table and then makes permissions and content types anew, which takes longer than most
tests. Those rows are the same for all tests: they stay.
"""

from __future__ import annotations

from django.db import connection
from django.test import TransactionTestCase

KEPT = frozenset({"django_migrations", "django_content_type", "auth_permission"})


def empty_tables() -> None:
    """Leave no row that a test committed."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name not in KEPT]
        asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables)
        cursor.execute(asked)
        if filled := ", ".join(f'"{name}"' for (name,) in cursor.fetchall()):
            cursor.execute(f"TRUNCATE {filled} CASCADE")


def install() -> None:
    """Have every test that commits end so."""
    TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[attr-defined]
