"""One wallet, from its lease to its release: keys, what is to be sent, what is in doubt, and its books."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from market.domain.errors import MarketError
from market.hub import DATABASE_AWAY, Announcer, in_thread
from market.leases import LeaseLost, task_goes_on
from market.venues.base import Signer
from wallets import services
from wallets.execution import expiry, keys
from wallets.execution.account_sync import BookKeeper
from wallets.execution.pending_work import BOOKED, Look
from wallets.execution.sender import Sender
from wallets.execution.venue_connection import Fact, Line
from wallets.models import Wallet
from wallets.services.dto import Event
from wallets.services.user_events import alert_event
from wallets.vault import Opener, VaultLocked

logger = logging.getLogger(__name__)

KEYS_EVERY = 3.0
KEYS_AGAIN_EVERY = 600.0  # `keys_mind` knows when a day is over
PAUSE_WHEN_AWAY = 1.0


class Desk:
    """A `line.Listener`. `look` comes once a second, `nudge` when somebody has just asked for something."""

    def __init__(
        self, look: Look, line: Line, opener: Opener, announcer: Announcer, *, safe: Callable[[], bool]
    ) -> None:
        self.address = look.wallet.address
        self.user = str(look.wallet.user_id)
        self.held = look.claim
        self._look = look
        self.wallet = look.wallet
        self._line = line
        self._opener = opener
        self._announcer = announcer
        self._looked = asyncio.Event()
        self._wanted = asyncio.Event()
        self._locked = ""  # why the key cannot be used
        self._books = BookKeeper(self.held, line, look, tell=self._tell)
        self._sender = Sender(
            self.held, line, safe=safe, hurry=self._wanted, tell=self._tell, owe=self._books.owe
        )

    # --- from the worker and the line --------------------------------------------------------------
    def look(self, look: Look) -> None:
        self._look = self._books.look = look
        self._looked.set()
        if look.pending or look.cancels or look.wishes:
            self._wanted.set()
        if look.wallet.opened_at and not look.wallet.reconciled_at:
            self._books.missed()  # a service asked for it
        if look.ending:
            self._books.owe()  # word of its end

    def nudge(self) -> None:
        self._wanted.set()

    def hear(self, fact: Fact) -> None:
        self._books.hear(fact)

    def streams_opened(self) -> None:
        self._books.missed()
        self._looked.set()

    def streams_lost(self) -> None:
        self._books.stir()
        self._looked.set()

    async def finish(self) -> None:
        """Send nothing new, and wait for the answer to what is on its way."""
        self._sender.closed = True
        async with self._sender.busy:
            return

    # --- the tasks -------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until cancelled. Raises `LeaseLost` when another worker has the wallet now."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (
                    self._mind_keys,
                    self._tell_stream,
                    self._trade,
                    self._settle_doubts,
                    self._keep_books,
                ):
                    tasks.create_task(work(), name=f"{work.__name__} {self.held.pk}")
        except* LeaseLost:
            raise LeaseLost(f"{self.held.pk} is not ours any more") from None

    async def _keep_books(self) -> None:
        while self._look.wallet.status not in BOOKED:
            await self._next_look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._books.book_always(), name=f"book {self.held.pk}")
            tasks.create_task(self._books.ask_always(), name=f"ask {self.held.pk}")

    async def _next_look(self) -> None:
        self._looked.clear()
        await self._looked.wait()

    # --- what is to be sent ------------------------------------------------------------------------
    async def _trade(self) -> None:
        while task_goes_on():
            await self._wanted.wait()
            self._wanted.clear()
            try:
                if signer := await self._signer():
                    await self._sender.send_all(signer)
                else:
                    await self._sender.lapse()
            except DATABASE_AWAY as problem:
                self._warn("not sent", problem)
                await asyncio.sleep(PAUSE_WHEN_AWAY)

    async def _signer(self) -> Signer | None:
        """None: its books are not read yet, it may not trade, or its key cannot be opened; orders wait."""
        wallet = self._look.wallet
        if wallet.status != Wallet.Status.ACTIVE or not self._books.ready.is_set():
            return None
        try:
            signer: Signer = await in_thread(self._opener.signer, wallet)
        except VaultLocked as locked:
            if locked.reason != self._locked:
                self._tell([alert_event(wallet, "error", f"Orders wait: {locked.reason}.")])
                self._warn("key locked", locked)
            self._locked = locked.reason
            return None
        self._locked = ""
        return signer

    async def _settle_doubts(self) -> None:
        """Ask the venue about what was sent without an answer, once its validity is waited out."""
        while task_goes_on():
            await self._next_look()
            if not self._look.doubts or not self._line.clock.is_trusted(expiry.VALIDITY):
                continue
            try:
                settled = expiry.settled_before(self._line.now())
                for doubt in await in_thread(services.doubts_due, claim=self.held, now=settled, margin=0):
                    await self._books.settle(doubt)
            except (MarketError, *DATABASE_AWAY) as problem:
                self._warn("doubts remain", problem)

    # --- keys --------------------------------------------------------------------------------------
    async def _mind_keys(self) -> None:
        """Often while the key is new or has just become another; seldom while it trades."""
        seen, again = "", 0.0
        while task_goes_on():
            await self._next_look()
            status, now = self._look.wallet.status, asyncio.get_running_loop().time()
            if status == seen and now < again:
                continue
            seen = status
            again = now + (KEYS_AGAIN_EVERY if status == Wallet.Status.ACTIVE else KEYS_EVERY)
            try:
                self._tell(await keys.keys_mind(self.held, self._line.trader, self._opener))
            except (MarketError, *DATABASE_AWAY) as problem:
                self._warn("key not checked", problem)

    # --- what its owner hears ----------------------------------------------------------------------
    async def _tell_stream(self) -> None:
        """Keep `Wallet.stream` true."""
        while task_goes_on():
            await self._next_look()
            stream = self._line.stream_of(self.address)
            if stream == self._look.wallet.stream or self._look.wallet.status not in BOOKED:
                continue
            try:
                self._tell(await in_thread(services.wallet_stream_set, claim=self.held, stream=stream))
            except DATABASE_AWAY as problem:
                self._warn("stream not noted", problem)

    def _tell(self, events: Iterable[Event]) -> None:
        self._announcer.tell(self.user, events)

    def _warn(self, message: str, problem: Exception) -> None:
        extra = {"venue": self._line.venue, "subject": str(self.held.pk), "reason": str(problem)[:200]}
        logger.warning(message, extra=extra)
