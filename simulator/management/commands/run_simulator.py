"""`manage.py run_simulator`: the simulated venue with Hyperliquid's protocol, on the loopback."""

import asyncio
import logging
import signal
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from simulator.hyperliquid.limits import PROFILES

if TYPE_CHECKING:
    from simulator.hyperliquid.server import Simulator

logger = logging.getLogger(__name__)


def _parse_time(text: str) -> int:
    """ISO time to ms; UTC when it has no offset."""
    time = datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


class Command(BaseCommand):
    help = "Run the simulated venue. Needs neither PostgreSQL nor Redis."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        options: list[tuple[str, Callable[[str], Any], Any, str]] = [
            ("--host", str, "127.0.0.1", "address to listen on"),
            ("--port", int, settings.SIMULATOR_PORT, "port of the venue; 0 selects a free port"),
            ("--control-port", int, settings.SIMULATOR_CONTROL_PORT, "port of the control plane"),
            ("--seed", int, settings.SIMULATOR_SEED, "seed of all random numbers; default: the saved seed"),
            ("--playback", Path, settings.SIMULATOR_PLAYBACK_DIR, "folder of recorded candles to play"),
            ("--playback-from", _parse_time, settings.SIMULATOR_PLAYBACK_FROM, "ISO time in the recording"),
            ("--speed", float, settings.SIMULATOR_PLAYBACK_SPEED, "playback speed; 1 is real time"),
            ("--state", Path, settings.VAR_DIR / "simulator", "folder of the saved state"),
        ]
        for name, kind, default, text in options:
            parser.add_argument(name, type=kind, default=default or None, help=text)
        parser.add_argument("--limits", choices=PROFILES, default=settings.SIMULATOR_LIMITS)

    def handle(self, *args: Any, **options: Any) -> None:
        _signers_check()
        # Imported late: the simulator cannot be imported without coincurve, which is checked above.
        from simulator.hyperliquid.exchange.fees import RULES
        from simulator.hyperliquid.server import Config, Simulator, wall_clock
        from simulator.markets.world_loader import WorldOptions, world_open

        world_options = WorldOptions(
            seed=options["seed"],
            playback_dir=options["playback"],
            playback_from=options["playback_from"],
            speed=options["speed"],
        )
        try:
            world = world_open(world_options, state=options["state"], now=wall_clock())
        except (ValueError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        config = Config(
            host=options["host"],
            port=options["port"] or 0,
            control_port=options["control_port"] or 0,
            control_token=settings.SIMULATOR_TOKEN,
            limits=PROFILES[options["limits"]],
            rules=RULES[options["limits"]],
            state=options["state"],
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(Simulator(world, config)))


def _signers_check() -> None:
    try:
        import_module("coincurve")
    except ImportError as problem:
        raise CommandError(
            f"The simulator recovers signers with coincurve, which cannot be imported here ({problem})."
        ) from problem


async def _serve(simulator: "Simulator") -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await simulator.serve(stop)
    logger.info("simulator stopped")
