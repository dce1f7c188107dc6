"""The house of `manage.py chaos`: as `up`, but with several supervisors, or an execution that lacks a guard."""

from typing import Any

from django.core.management.base import CommandParser

from cryptotrade.management.commands import up


class Command(up.Command):
    help = "For `manage.py chaos` alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--supervisors", type=int, default=1)
        parser.add_argument("--without", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        supervisors, without = options["supervisors"], options["without"]

        class Broken(up.House):
            def _processes(self) -> dict[str, list[str]]:
                processes = super()._processes()
                if without:
                    processes["execution"] = ["chaos_execution", "wallets-execution", "--without", without]
                more = {f"supervisor-{n}": processes["supervisor"] for n in range(2, supervisors + 1)}
                return processes | more

            def _environment_of(self, name: str) -> dict[str, str]:
                return super()._environment_of(name.partition("-")[0])

        up.House = Broken  # type: ignore[misc]
        super().handle(*args, **options)
