"""Stack of `manage.py chaos`: `up` with several supervisors, or with an execution worker without a safety check."""

from typing import Any

from django.core.management.base import CommandParser

from cryptotrade.management.commands import up


class Command(up.Command):
    help = "For `manage.py chaos` only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--supervisors", type=int, default=1)
        parser.add_argument("--disable", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        supervisors, disabled = options["supervisors"], options["disable"]

        class ChaosLocalStack(up.LocalStack):
            def _processes(self) -> dict[str, list[str]]:
                processes = super()._processes()
                if disabled:
                    processes["execution"] = ["chaos_execution", "wallets-execution", "--disable", disabled]
                extra = {f"supervisor-{n}": processes["supervisor"] for n in range(2, supervisors + 1)}
                return processes | extra

            def _environment_of(self, name: str) -> dict[str, str]:
                return super()._environment_of(name.partition("-")[0])

        up.LocalStack = ChaosLocalStack  # type: ignore[misc]
        super().handle(*args, **options)
