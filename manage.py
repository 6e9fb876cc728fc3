#!/usr/bin/env python
"""RiskDesk's command line."""

import os
import sys


def main() -> None:
    """Run a management command with RiskDesk's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskdesk.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{type(error).__name__}: {error}")  # it names the variable; a traceback would bury it


if __name__ == "__main__":
    main()
