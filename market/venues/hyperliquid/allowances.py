"""Every signer's `Allowance`, asked for in the background: an order never waits for the question."""

import asyncio
import logging

from market.domain.errors import VenueError, VenueRefused
from market.venues.hyperliquid import accounts
from market.venues.hyperliquid.allowance import Allowance
from market.venues.hyperliquid.queries import AccountQueries

logger = logging.getLogger(__name__)

GONE = "Too many cumulative requests sent"


class Allowances:
    """By address of the signer: an agent spends what belongs to its master."""

    def __init__(self, venue: str, queries: AccountQueries) -> None:
        self._venue = venue
        self._queries = queries
        self._of: dict[str, Allowance] = {}
        self._accounts: dict[str, str] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def enter(self, signer: str) -> None:
        """Returns when that signer may send an order."""
        allowance = self._of.setdefault(signer, Allowance())
        if allowance.is_due(self._now()):
            task = asyncio.create_task(self._ask(signer, allowance))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        await asyncio.sleep(allowance.turn(self._now()))

    def spent(self, signer: str, count: int) -> None:
        self._of.setdefault(signer, Allowance()).spent(count)

    def refused(self, signer: str, refusal: VenueRefused) -> None:
        """Look whether it was for want of allowance."""
        if refusal.problem.startswith(GONE):
            self._of.setdefault(signer, Allowance()).is_gone()

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ask(self, signer: str, allowance: Allowance) -> None:
        """What cannot be asked now is asked again at the next turn of `Allowance.is_due`."""
        try:
            if signer not in self._accounts:
                self._accounts[signer] = (await self._queries.role(signer)).master or signer
            request = {"type": "userRateLimit", "user": self._accounts[signer]}
            allowance.told(*await self._queries.ask(request, accounts.requests_left_read))
        except VenueError as problem:
            logger.warning(
                "the allowance is not known", extra={"venue": self._venue, "reason": str(problem)[:200]}
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
