"""Credential monitor: closes websockets with a revoked or expired credential.

Every two seconds the handles of all authenticated clients are checked with one query. A revocation is
written to PostgreSQL; while it does not answer, no credential can be revoked, so no socket is closed.
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
CREDENTIAL_ENDED_FRAME = orjson.dumps(
    {"op": "error", "code": "unauthenticated", "message": "Your session has ended. Sign in again."}
).decode()

CredentialsLive = Callable[[Iterable[str]], set[str]]  # handles → those that are still valid


class CredentialMonitor:
    """Credential monitor of one hub.

    The consumer sets `ask` with the first connection; before that no client is authenticated.
    """

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
        """Send an error frame to every client with a revoked or expired credential, and close it."""
        signed_in = {client: client.credential for client in self._clients if client.credential}
        if not signed_in or self.ask is None:
            return
        live = await database_sync_to_async(self.ask)(set(signed_in.values()))
        for client, credential in signed_in.items():
            if client.credential != credential:
                continue  # the client authenticated again during the query
            if credential not in live or (client.until is not None and client.until <= now):
                client.write(CREDENTIAL_ENDED_FRAME)
                client.close(POLICY)
