"""What the supervisor worker does every hour, by hand."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.services import expired_remove


class Command(BaseCommand):
    help = "Remove expired sessions, tokens, codes and failed sign-ins. The audit trail stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="keep what ended later than that")

    def handle(self, *args: Any, **options: Any) -> None:
        removed = expired_remove(now=timezone.now(), kept=timedelta(days=options["days"]))
        for name, count in removed.items():
            self.stdout.write(f"{name}: {count}")
