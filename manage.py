#!/usr/bin/env python
"""RiskDesk's command line."""

import os
import sys


def main() -> None:
    """Run a management command with RiskDesk's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskdesk.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
