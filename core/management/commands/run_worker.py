"""`manage.py run_worker NAME`: one Channels worker with a wake-up every second and graceful shutdown.

Differs from Channels' `runworker` in three ways that a long-lived worker needs: it survives Redis outages,
its wake-ups come from this process (so standby workers are woken too), and on SIGTERM the consumer releases
its leases.
"""

import asyncio
import gc
import logging
import signal
from argparse import ArgumentParser
from typing import Any

import uvloop
from channels.layers import BaseChannelLayer, get_channel_layer
from channels.routing import get_default_application
from channels.worker import Worker
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import start_http_server

from core.asgi import Application
from core.errors import REDIS_ERRORS
from core.redis_versions import refuse_vulnerable_redis

logger = logging.getLogger(__name__)

WAKE_EVERY = 1.0
DRAIN_WITHIN = 4.0
PAUSE_WITHOUT_REDIS = 1.0
LOG_EVERY = 30.0


class WakingWorker(Worker):  # type: ignore[misc]
    """Serves one channel until `drain`."""

    def __init__(self, application: Application, channel: str, layer: BaseChannelLayer) -> None:
        super().__init__(application=application, channels=[channel], channel_layer=layer)
        self.channel = channel

    async def handle(self) -> None:
        await asyncio.gather(self._wake_always(), self._listen_always())

    async def _wake_always(self) -> None:
        while True:
            self._queue().put_nowait({"type": "wake"})
            await asyncio.sleep(WAKE_EVERY)

    async def _listen_always(self) -> None:
        last_logged = float("-inf")
        while True:
            try:
                await self.listener(self.channel)
            except REDIS_ERRORS as problem:
                now = asyncio.get_running_loop().time()
                if now - last_logged > LOG_EVERY:
                    last_logged = now
                    logger.warning("no nudges", extra={"channel": self.channel, "reason": str(problem)})
            except ValueError as problem:
                logger.warning(
                    "a nudge without type", extra={"channel": self.channel, "reason": str(problem)}
                )
            await asyncio.sleep(PAUSE_WITHOUT_REDIS)

    def _queue(self) -> Any:
        return self.get_or_create_application_instance(
            self.channel, {"type": "channel", "channel": self.channel}
        )

    async def drain(self) -> None:
        """Cancel the consumers and wait until each has released its leases."""
        futures = [details["future"] for details in self.application_instances.values()]
        for future in futures:
            future.cancel()
        if futures:
            _, late = await asyncio.wait(futures, timeout=DRAIN_WITHIN)
            if late:
                logger.error("not drained in time", extra={"channel": self.channel, "delay_s": DRAIN_WITHIN})


def worker_channels() -> list[str]:
    """Names of the channels that the ASGI application serves."""
    router = get_default_application().application_mapping.get("channel")
    return sorted(router.application_mapping) if router else []


async def run(channel: str) -> None:
    """Serve `channel` until SIGTERM or SIGINT, then drain."""
    # A full garbage collection stops all threads for a tenth of a second. So the objects created by imports are
    # excluded (frozen), and the oldest generation is collected twenty times less often than by default.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], 200)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = WakingWorker(get_default_application(), channel, get_channel_layer())
    serving = asyncio.create_task(worker.arun(), name=f"worker {channel}")
    stopping = asyncio.create_task(stop.wait())
    logger.info("worker started", extra={"channel": channel})
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    stopping.cancel()
    await worker.drain()
    await asyncio.gather(serving, stopping, return_exceptions=True)
    logger.info("worker stopped", extra={"channel": channel})
    if not serving.cancelled() and (crash := serving.exception()):
        raise crash


class Command(BaseCommand):
    help = "Run one worker process: market-feed, wallets-execution or bots-supervisor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the channel to serve")
        parser.add_argument(
            "--metrics-port", type=int, help="serve Prometheus metrics of this process at 127.0.0.1"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_vulnerable_redis()
        channels = worker_channels()
        if options["name"] not in channels:
            raise CommandError(f"no worker {options['name']!r}; known: {', '.join(channels)}")
        if port := options["metrics_port"]:
            start_http_server(port, addr="127.0.0.1")
        uvloop.run(run(options["name"]))
