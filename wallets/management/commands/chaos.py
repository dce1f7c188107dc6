"""`manage.py chaos`: real orders in a house of its own while everything that can break is broken."""

import asyncio
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from wallets.management.chaos.house import INSIDE, ChaosHouse
from wallets.management.chaos.plan import BREAKS, Rates
from wallets.management.chaos.run import ChaosError, Wanted, chaos

GUARDS = ("wait-out",)
SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "MFA_KEY")
OWN = ("DATABASE_URL", "REDIS_URL", "EXECUTION_KEYS", "SIMULATOR_URL", "DJANGO_SETTINGS_MODULE")
MUCH = "1000000/60"


class Command(BaseCommand):
    help = "Place orders while processes are killed and the venue fails; compare every book at the end."
    requires_system_checks: list[str] = []  # noqa: RUF012  its house is not there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orders", type=int, default=200)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--wallets", type=int, default=4)
        parser.add_argument("--seconds", type=float, default=0.0, help="go on breaking at least so long")
        parser.add_argument("--kinds", default=",".join(BREAKS), help="what breaks, with commas between")
        parser.add_argument("--acts", type=float, default=0.5, help="seconds between the acts of a wallet")
        parser.add_argument("--breaks", type=float, default=4.0, help="seconds between breaks")
        parser.add_argument("--longest-pause", type=float, default=20.0)
        parser.add_argument("--without", default="", choices=["", *GUARDS], help="leave out a guard")

    def handle(self, *args: Any, **options: Any) -> None:
        if INSIDE not in os.environ:
            _go_inside(settings.VAR_DIR / f"chaos-{options['seed']}")
        kinds = options["kinds"].split(",")
        if unknown := set(kinds) - BREAKS.keys():
            raise CommandError(f"unknown kind {min(unknown)}; known: {', '.join(BREAKS)}")
        rates = Rates(options["acts"], options["breaks"], options["longest_pause"], tuple(kinds))
        wanted = Wanted(
            options["seed"], options["orders"], options["wallets"], options["seconds"],
            options["without"], rates,
        )  # fmt: skip
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell had us ignore it
            signal.signal(number, signal.default_int_handler)
        house = ChaosHouse(int(os.environ["PORT"]), wanted.without)
        try:
            sheet = asyncio.run(chaos(wanted, house, self.stderr.write))
        except ChaosError as problem:
            raise CommandError(str(problem)) from problem
        except KeyboardInterrupt:
            raise CommandError("stopped") from None
        finally:
            house.stop()
        for line in sheet.lines():
            self.stdout.write(line)
        if not sheet.is_clean:
            sys.exit(1)


def _go_inside(var: Path) -> NoReturn:
    """Begin again, as a process that shares the environment of a new house in `var`."""
    shutil.rmtree(var, ignore_errors=True)
    var.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    ports = dict(
        zip(("PORT", "SIMULATOR_PORT", "SIMULATOR_CONTROL_PORT"), map(str, _free_ports(3)), strict=True)
    )
    limits = dict.fromkeys(("LIMIT_AUTH", "LIMIT_READ", "LIMIT_WRITE", "LIMIT_ORDER"), MUCH)
    own = {
        "CRYPTOTRADE_VAR": str(var),
        "VENUES": "simulator",
        "ORDERS_PER_MINUTE": "100000",
        "ORDER_MAX_DAY_NOTIONAL": "1000000000",
        **{name: secrets.token_urlsafe(48) for name in SECRETS},
        **ports,
        **limits,
        INSIDE: "1",
    }
    os.execve(sys.executable, [sys.executable, *sys.argv], {**kept, **own})  # noqa: S606  ourselves


def _free_ports(count: int) -> list[int]:
    """Bound on trial, all at once, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
