"""The execution worker without one of its guards: what `manage.py chaos --without` must find out."""

import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallets.execution import expiry
from wallets.management.chaos.stack import INSIDE

FAR = 10**10  # ms


class Command(BaseCommand):
    help = "For `manage.py chaos` alone: never trade with it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("worker", choices=["wallets-execution"])
        parser.add_argument("--without", required=True, choices=["wait-out"])

    def handle(self, *args: Any, **options: Any) -> None:
        if INSIDE not in os.environ:
            raise CommandError("this worker runs in the house of `manage.py chaos` and nowhere else")
        expiry.settled_before = lambda now, margin=0: now + FAR
        call_command("run_worker", options["worker"])
