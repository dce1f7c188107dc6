"""Closes the sockets of those whose credential has ended since they signed in.

Every two seconds the handles of all signed-in clients are asked for at once. A revocation is written to
PostgreSQL; while that does not answer, nothing can have been revoked either, so nobody is closed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import orjson
from channels.db import database_sync_to_async
from django.db import DatabaseError

from market.hub.client import POLICY, Client

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 2.0
ENDED = orjson.dumps(
    {"op": "error", "code": "unauthenticated", "message": "Your sign-in has ended. Sign in again."}
).decode()

CredentialsLive = Callable[[Iterable[str]], set[str]]  # handles → those that still stand


class Guard:
    """`ask` is handed in from the roof with the first connection; before that nobody has signed in."""

    def __init__(self, clients: set[Client]) -> None:
        self._clients = clients
        self.ask: CredentialsLive | None = None

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self.check(time.time())
            except DatabaseError as error:
                logger.warning("hub: credentials cannot be checked", extra={"reason": str(error)[:200]})

    async def check(self, now: float) -> None:
        """Close every client whose credential is over or ended, after a frame that says so."""
        signed_in = {client: client.credential for client in self._clients if client.credential}
        if not signed_in or self.ask is None:
            return
        live = await database_sync_to_async(self.ask)(set(signed_in.values()))
        for client, credential in signed_in.items():
            if client.credential != credential:
                continue  # it has signed in again while we asked
            if credential not in live or (client.until is not None and client.until <= now):
                client.write(ENDED)
                client.close(POLICY)
