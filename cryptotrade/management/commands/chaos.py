"""`manage.py chaos`: real orders in a house of its own while everything that can break is broken."""

import asyncio
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bots.management.chaos.scenario import Bots
from wallets.management.chaos.plan import BREAKS, BREAKS_WITH_BOTS, Rates
from wallets.management.chaos.report import Sheet
from wallets.management.chaos.run import ChaosError, Wanted, chaos
from wallets.management.chaos.stack import INSIDE, ChaosHouse

GUARDS = ("wait-out",)
SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "MFA_KEY")
OWN = ("DATABASE_URL", "REDIS_URL", "EXECUTION_KEYS", "SIMULATOR_URL", "DJANGO_SETTINGS_MODULE")
MUCH = "1000000/60"
USDC, USDC_OF_A_BOT = 10_000, 2_000
SUPERVISORS = 2
# With bots: what the venue loses is a fifth of what a run of orders alone has to bear, for it lasts longer.
BOTS_FAULTS, BOTS_OUTAGES, OUTAGES = 0.2, 30.0, 9.0


class Command(BaseCommand):
    help = "Place orders while processes are killed and the venue fails; compare every book at the end."
    requires_system_checks: list[str] = []  # noqa: RUF012  its house is not there yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orders", type=int, default=None, help="of people; 200, or 2 for each bot")
        parser.add_argument("--bots", type=int, default=0)
        parser.add_argument("--kills", type=int, default=0, help="break at least so often")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--wallets", type=int, default=4)
        parser.add_argument("--supervisors", type=int, default=SUPERVISORS)
        parser.add_argument("--seconds", type=float, default=0.0, help="go on breaking at least so long")
        parser.add_argument(
            "--kinds", default="", help="what breaks, with commas between; all of them unless said"
        )
        parser.add_argument("--acts", type=float, default=0.5, help="seconds between the acts of a wallet")
        parser.add_argument("--breaks", type=float, default=4.0, help="seconds between breaks")
        parser.add_argument("--longest-pause", type=float, default=20.0)
        parser.add_argument("--faults", type=float, default=None, help="share of the venue's usual faults")
        parser.add_argument("--without", default="", choices=["", *GUARDS], help="leave out a guard")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = _wanted(options)
        if INSIDE not in os.environ:
            _go_inside(settings.VAR_DIR / f"chaos-{options['seed']}")
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell had us ignore it
            signal.signal(number, signal.default_int_handler)
        sheet = self._run(options, wanted)
        for line in sheet.lines():
            self.stdout.write(line)
        if not sheet.is_clean:
            sys.exit(1)

    def _run(self, options: dict[str, Any], wanted: Wanted) -> Sheet:
        bots = options["bots"]
        supervisors = max(options["supervisors"], SUPERVISORS) if bots else 1
        house = ChaosHouse(int(os.environ["PORT"]), options["without"], supervisors)
        part = Bots(wanted.seed, bots, house.url, self.stderr.write) if bots else None
        try:
            sheet = asyncio.run(chaos(wanted, house, self.stderr.write, part))
        except ChaosError as problem:
            raise CommandError(str(problem)) from problem
        except KeyboardInterrupt:
            raise CommandError("stopped") from None
        finally:
            house.stop()
        return replace(sheet, left_behind=tuple(house.left_behind()))


def _wanted(options: dict[str, Any]) -> Wanted:
    bots = options["bots"]
    known = BREAKS_WITH_BOTS if bots else BREAKS
    kinds = options["kinds"].split(",") if options["kinds"] else list(known)
    if unknown := set(kinds) - BREAKS_WITH_BOTS.keys():
        raise CommandError(f"unknown kind {min(unknown)}; known: {', '.join(BREAKS_WITH_BOTS)}")
    rates = Rates(
        between_acts=options["acts"],
        between_breaks=options["breaks"],
        between_outages=BOTS_OUTAGES if bots else OUTAGES,
        faults=options["faults"] if options["faults"] is not None else (BOTS_FAULTS if bots else 1.0),
        longest_pause=options["longest_pause"],
        breaks={kind: BREAKS_WITH_BOTS[kind] if bots else BREAKS.get(kind, 1) for kind in kinds},
    )
    orders = options["orders"] if options["orders"] is not None else (2 * bots or 200)
    each = -(-bots // options["wallets"])
    return Wanted(
        options["seed"], orders, options["wallets"], options["seconds"], options["kills"],
        USDC + USDC_OF_A_BOT * each, rates,
    )  # fmt: skip


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
