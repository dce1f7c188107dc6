"""Every signer's `Allowance`, asked for in the background: an order never waits for the question."""

import asyncio
import logging

from market.domain.errors import VenueError, VenueRefused, VenueUnavailable
from market.venues.hyperliquid.action_quota import Allowance
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

    async def enter(self, signer: str, patience: float) -> None:
        """Returns when that signer may send an order. Raises `VenueUnavailable` at once when that is in more
        than `patience` seconds."""
        allowance = self._of.setdefault(signer, Allowance())
        if allowance.is_due(self._now()):
            task = asyncio.create_task(self._ask(signer, allowance))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        wait = allowance.turn(self._now(), patience)
        if wait is None:
            raise VenueUnavailable(self._venue, "the account has hardly any requests left")
        await asyncio.sleep(wait)

    def spent(self, signer: str, count: int) -> None:
        self._of.setdefault(signer, Allowance()).spent(count)

    def refused(self, signer: str, refusal: VenueRefused) -> None:
        """Look whether it was for want of allowance."""
        if refusal.problem.startswith(GONE):
            self._of.setdefault(signer, Allowance()).is_gone(self._now())

    async def close(self) -> None:
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _ask(self, signer: str, allowance: Allowance) -> None:
        """In the last lane: it is heavy, and nobody waits. What fails is due again in some minutes."""
        try:
            if signer not in self._accounts:
                role = await self._queries.role(signer, lane="feed")
                self._accounts[signer] = role.master or signer
            allowance.told(*await self._queries.requests_left(self._accounts[signer], lane="feed"))
        except VenueError as problem:
            logger.warning(
                "the allowance is not known", extra={"venue": self._venue, "reason": str(problem)[:200]}
            )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
