"""The calendar's page: what is coming, what was imported, and the import with its preview."""

from accounts.views.calendar.importing import import_
from accounts.views.calendar.listed import calendar

__all__ = ["calendar", "import_"]
