"""Execution worker with one safety check disabled: `manage.py chaos --disable` must detect the resulting errors."""

import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tools.chaos.stack import INSIDE
from wallets.execution import expiry

FAR = 10**10  # ms


class Command(BaseCommand):
    help = "For `manage.py chaos` only. Never use it for trading."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("worker", choices=["wallets-execution"])
        parser.add_argument("--disable", required=True, choices=["expiry-wait"])

    def handle(self, *args: Any, **options: Any) -> None:
        if INSIDE not in os.environ:
            raise CommandError("this worker runs only in the stack of `manage.py chaos`")
        expiry.final_before = lambda now, settle: now + FAR
        call_command("run_worker", options["worker"])
