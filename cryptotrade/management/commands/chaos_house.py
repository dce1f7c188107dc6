"""The house of `manage.py chaos --without GUARD`: as `up`, but its execution lacks that guard."""

from typing import Any

from django.core.management.base import CommandParser

from cryptotrade.management.commands import up


class Command(up.Command):
    help = "For `manage.py chaos` alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--without", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        class Unguarded(up.House):
            def _processes(self) -> dict[str, list[str]]:
                own = ["chaos_execution", "wallets-execution", "--without", options["without"]]
                return super()._processes() | {"execution": own}

        up.House = Unguarded  # type: ignore[misc]
        super().handle(*args, **options)
