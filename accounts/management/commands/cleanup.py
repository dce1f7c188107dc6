"""`manage.py cleanup`: the hourly clean-up of the supervisor worker, run by hand."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.services import expired_delete


class Command(BaseCommand):
    help = "Remove expired sessions, tokens, codes and failed sign-ins. The audit trail stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="keep rows that ended within so many days")

    def handle(self, *args: Any, **options: Any) -> None:
        removed = expired_delete(now=timezone.now(), retention=timedelta(days=options["days"]))
        for name, count in removed.items():
            self.stdout.write(f"{name}: {count}")
