"""`manage.py chaos`: places real orders on a stack of its own while processes are killed and the venue fails."""

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

from core import env
from tools.chaos.bots.scenario import BotScenario
from tools.chaos.plan import FAULT_WEIGHTS, FAULT_WEIGHTS_WITH_BOTS, Rates
from tools.chaos.report import Report
from tools.chaos.run import ChaosError, ChaosOptions, chaos
from tools.chaos.stack import INSIDE, ChaosStack

SAFETY_CHECKS = ("expiry-wait",)
OWN_SETTINGS = ("DATABASE_URL", "REDIS_URL", "SEALING_KEY_DIR", "SIMULATOR_URL", "DJANGO_SETTINGS_MODULE")
UNLIMITED_RATE = "1000000/60"
USDC, USDC_OF_A_BOT = 10_000, 2_000
SUPERVISORS = 2
# With bots the venue's loss probability is a fifth of that of a run with orders only, because the run is longer.
BOTS_FAULTS, BOTS_OUTAGES, OUTAGES = 0.2, 30.0, 9.0


class Command(BaseCommand):
    help = (
        "Place orders while processes are killed and the venue fails; then compare all state with the venue."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012  the stack is not running yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--orders", type=int, default=None, help="manual orders; default 200, or 2 per bot"
        )
        parser.add_argument("--bots", type=int, default=0)
        parser.add_argument("--kills", type=int, default=0, help="inject at least this many process faults")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--wallets", type=int, default=4)
        parser.add_argument("--supervisors", type=int, default=SUPERVISORS)
        parser.add_argument("--seconds", type=float, default=0.0, help="inject faults for at least this long")
        parser.add_argument(
            "--kinds", default="", help="comma-separated kinds of process faults; default: all"
        )
        parser.add_argument(
            "--action-interval", type=float, default=0.5, help="mean seconds between the actions of a wallet"
        )
        parser.add_argument(
            "--fault-interval", type=float, default=4.0, help="mean seconds between process faults"
        )
        parser.add_argument("--max-pause", type=float, default=20.0)
        parser.add_argument(
            "--fault-scale", type=float, default=None, help="factor of the venue's usual fault probability"
        )
        parser.add_argument(
            "--disable", default="", choices=["", *SAFETY_CHECKS], help="disable a safety check"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chaos_options = _options(options)
        if INSIDE not in os.environ:
            _restart_inside(settings.VAR_DIR / f"chaos-{options['seed']}")
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
        ):  # a shell may have started this process with them ignored
            signal.signal(number, signal.default_int_handler)
        report = self._run(options, chaos_options)
        for line in report.lines():
            self.stdout.write(line)
        if not report.is_clean:
            sys.exit(1)

    def _run(self, options: dict[str, Any], chaos_options: ChaosOptions) -> Report:
        bots = options["bots"]
        supervisors = max(options["supervisors"], SUPERVISORS) if bots else 1
        stack = ChaosStack(int(os.environ["PORT"]), options["disable"], supervisors)
        scenario = BotScenario(chaos_options.seed, bots, stack.url, self.stderr.write) if bots else None
        try:
            report = asyncio.run(chaos(chaos_options, stack, self.stderr.write, scenario))
        except ChaosError as problem:
            raise CommandError(str(problem)) from problem
        except KeyboardInterrupt:
            raise CommandError("stopped") from None
        finally:
            stack.stop()
        return replace(report, leftovers=tuple(stack.leftover_processes()))


def _options(options: dict[str, Any]) -> ChaosOptions:
    bots = options["bots"]
    weights = FAULT_WEIGHTS_WITH_BOTS if bots else FAULT_WEIGHTS
    kinds = options["kinds"].split(",") if options["kinds"] else list(weights)
    if unknown := set(kinds) - FAULT_WEIGHTS_WITH_BOTS.keys():
        raise CommandError(f"unknown kind {min(unknown)}; known: {', '.join(FAULT_WEIGHTS_WITH_BOTS)}")
    rates = Rates(
        action_interval=options["action_interval"],
        fault_interval=options["fault_interval"],
        outage_interval=BOTS_OUTAGES if bots else OUTAGES,
        fault_scale=options["fault_scale"]
        if options["fault_scale"] is not None
        else (BOTS_FAULTS if bots else 1.0),
        max_pause=options["max_pause"],
        weights={
            kind: FAULT_WEIGHTS_WITH_BOTS[kind] if bots else FAULT_WEIGHTS.get(kind, 1) for kind in kinds
        },
    )
    orders = options["orders"] if options["orders"] is not None else (2 * bots or 200)
    each = -(-bots // options["wallets"])
    return ChaosOptions(
        options["seed"], orders, options["wallets"], options["seconds"], options["kills"],
        USDC + USDC_OF_A_BOT * each, rates,
    )  # fmt: skip


def _restart_inside(var: Path) -> NoReturn:
    """Restart this command in the environment of a new stack in `var`."""
    shutil.rmtree(var, ignore_errors=True)
    var.mkdir(parents=True)
    inherited = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
    ports = dict(
        zip(("PORT", "SIMULATOR_PORT", "SIMULATOR_CONTROL_PORT"), map(str, _free_ports(3)), strict=True)
    )
    limits = dict.fromkeys(
        ("RATE_LIMIT_AUTH", "RATE_LIMIT_READ", "RATE_LIMIT_WRITE", "RATE_LIMIT_ORDER"), UNLIMITED_RATE
    )
    own = {
        "CRYPTOTRADE_VAR": str(var),
        "VENUES": "hyperliquid-sim",
        "MAX_ORDERS_PER_MINUTE": "100000",
        "MAX_DAILY_NOTIONAL": "1000000000",
        **{name: secrets.token_urlsafe(48) for name in env.GENERATED},
        **ports,
        **limits,
        INSIDE: "1",
    }
    os.execve(sys.executable, [sys.executable, *sys.argv], {**inherited, **own})  # noqa: S606  this command


def _free_ports(count: int) -> list[int]:
    """Free TCP ports; all are bound at once, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
