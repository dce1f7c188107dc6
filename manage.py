#!/usr/bin/env python
"""Run administrative commands: `python manage.py help`."""

import os
import sys

from django.core.management import execute_from_command_line

from core import env

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cryptotrade.settings")
    if sys.argv[1:2] in (["up"], ["bench"], ["chaos"]):
        env.secrets_make(env.var_dir() / "secrets")  # before the settings are loaded, which read them
    execute_from_command_line(sys.argv)
