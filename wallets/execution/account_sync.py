"""What the venue says of one account: booked as the streams tell it, and asked for again.

A stream is a hint, a query is the truth: everything is asked at the start, after every interruption, when
the account does not add up, and its open orders once a minute while it has any.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from uuid import UUID

from market.domain.errors import MarketError
from market.domain.orders import AccountState
from market.domain.subscriptions import backoff
from market.hub import DATABASE_AWAY, in_thread
from market.leases import Claim, task_goes_on
from wallets import services
from wallets.domain.ledger import Account
from wallets.execution.pending_work import Look
from wallets.execution.venue_connection import Fact, Line
from wallets.models import Balance, Position, Wallet
from wallets.services.dto import Doubt, Event, Picture

logger = logging.getLogger(__name__)

HEARD_KEPT = 5_000
BOOKED_AT_ONCE = 200
LOOK_SECONDS = 60.0
POLL_SECONDS = 4.0  # without a private stream, while orders or positions live
ORDERS_SECONDS = 60.0
AGAIN_SECONDS = 3.0  # the account moved while it was read: the comparison is still owed
ENDING_SECONDS = 10.0
STREAM_LAG = 0.7
OVERLAP_MS = 10_000  # a venue may list a fact a little late
ZERO = Decimal(0)


def account_agrees(wallet_id: UUID, state: AccountState) -> bool:
    """True when ledger and positions are what the venue says, but for the differences known already."""
    known = Wallet.objects.values_list("residual", flat=True).get(pk=wallet_id)
    ours: defaultdict[str, Decimal] = defaultdict(Decimal)
    rows = Balance.objects.filter(wallet=wallet_id, account__in=(Account.AVAILABLE, Account.RESERVED))
    for pot, asset, amount in rows.values_list("pot", "asset", "amount"):
        ours[f"{pot}:{asset}"] += amount
    held = Position.objects.filter(wallet=wallet_id).exclude(size=0)
    for symbol, size in held.values_list("instrument__symbol", "size"):
        ours[f"position:{symbol}"] += size
    theirs = {f"{pot}:{asset}": amount for (pot, asset), amount in state.cash.items()}
    theirs |= {f"position:{position.symbol}": position.size for position in state.positions}
    return all(
        theirs.get(key, ZERO) - ours[key] == Decimal(known.get(key, 0))
        for key in ours.keys() | theirs.keys() | known.keys()
    )


class BookKeeper:
    """Hears and asks for one wallet, until cancelled. `ready` once the account was asked for everything."""

    def __init__(
        self, held: Claim, line: Line, look: Look, *, tell: Callable[[Iterable[Event]], None]
    ) -> None:
        self.ready = asyncio.Event()
        self.look = look
        self._held = held
        self._line = line
        self._address = look.wallet.address
        self._tell = tell
        self._owed = 0.0  # s until the next look, when one is owed
        self._heard: asyncio.Queue[Fact] = asyncio.Queue(HEARD_KEPT)
        self._whole = asyncio.Event()  # everything has to be asked for
        self._whole.set()
        self._stirred = asyncio.Event()  # look again, sooner than was meant
        self._orders_at = float("-inf")

    # --- what the streams say --------------------------------------------------------------------
    def hear(self, fact: Fact) -> None:
        try:
            self._heard.put_nowait(fact)
        except asyncio.QueueFull:
            self.missed()

    def missed(self) -> None:
        """Something may have happened that nobody told us."""
        self._whole.set()
        self._stirred.set()

    def owe(self) -> None:
        """The venue did something of which the streams should tell: look soon whether they did."""
        self._owed = self._owed or AGAIN_SECONDS
        self._stirred.set()

    def stir(self) -> None:
        """How often to look has changed."""
        self._stirred.set()

    async def book_always(self) -> None:
        pauses = backoff(random.random)
        batch: list[Fact] = []
        while task_goes_on():
            batch = batch or await self._next_facts()
            try:
                events = await in_thread(services.facts_apply, claim=self._held, facts=batch)
            except DATABASE_AWAY as problem:
                self._warn("facts not booked", problem)
                await asyncio.sleep(next(pauses))
                continue
            batch, pauses = [], backoff(random.random)
            self._tell(events)

    async def _next_facts(self) -> list[Fact]:
        facts = [await self._heard.get()]
        while len(facts) < BOOKED_AT_ONCE and not self._heard.empty():
            facts.append(self._heard.get_nowait())
        return facts

    # --- what we ask -----------------------------------------------------------------------------
    async def ask_always(self) -> None:
        pauses = backoff(random.random)
        while task_goes_on():
            try:
                await self._ask()
            except (MarketError, *DATABASE_AWAY) as problem:
                self._whole.set()
                self._warn("not reconciled", problem)
                await asyncio.sleep(next(pauses))
                continue
            pauses = backoff(random.random)
            await self._rest()

    async def _rest(self) -> None:
        """Until the next question is due; when it is, is worked out anew whenever somebody stirs."""
        asked = _now()
        while not self._whole.is_set() and (left := asked + self._period() - _now()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._stirred.wait()
            except TimeoutError:
                return
            self._stirred.clear()

    def _period(self) -> float:
        if self._owed:
            return self._owed
        streamed = self._line.stream_of(self._address) == "live"
        return LOOK_SECONDS if streamed or not self.look.busy else POLL_SECONDS

    async def _ask(self) -> None:
        """The account first, which is cheap; the rest when it does not add up, or when its time has come."""
        if not self._is_whole_due() and await self._adds_up():
            self._owed = 0.0
            return
        self._whole.clear()
        self._orders_at = _now()
        quiet = await self._reconcile()
        # An account that moves all the time is compared less and less often, not read over and over.
        self._owed = 0.0 if quiet else min(LOOK_SECONDS, 2 * self._owed or AGAIN_SECONDS)
        self.ready.set()

    async def _adds_up(self) -> bool:
        """Looked at twice: what the streams are about to tell is no difference yet."""
        for pause in (STREAM_LAG, 0.0):
            state = await self._line.account(self._address)
            if await in_thread(account_agrees, self._held.pk, state):
                return True
            await asyncio.sleep(pause)
        return False

    def _is_whole_due(self) -> bool:
        """Cash does not tell that an order ended; and a cancel that was not told of is looked for soon."""
        waited = _now() - self._orders_at
        ending, live = self.look.ending, self.look.live
        due = (ending and waited >= ENDING_SECONDS) or (live and waited >= ORDERS_SECONDS)
        return self._whole.is_set() or bool(due)

    async def _reconcile(self) -> bool:
        """True when the account stood still while it was read."""
        trader, address = self._line.trader, self._address
        before = await self._line.account(address)
        until = await in_thread(Wallet.objects.values_list("facts_until", flat=True).get, pk=self._held.pk)
        since = max(0, until - OVERLAP_MS)
        picture = Picture(
            before=before,
            since=since,
            open_orders=await trader.orders_open(address),
            fills=await trader.fills(address, since),
            fundings=await trader.fundings(address, since),
            movements=await trader.movements(address, since),
            after=await self._line.account(address),
        )
        done = await in_thread(services.account_reconcile, claim=self._held, picture=picture)
        self._tell(done.events)
        for doubt in done.ask:
            await self.settle(doubt)
        return done.quiet

    async def settle(self, doubt: Doubt) -> None:
        """Ask the venue what became of this order. Raises `VenueError` when it does not say."""
        ids = (
            {"venue_id": doubt.venue_order_id}
            if doubt.venue_order_id
            else {"client_id": doubt.venue_client_id}
        )
        found = await self._line.trader.order_get(self._address, **ids)
        resolved = partial(services.doubt_resolved, claim=self._held, order_id=doubt.order_id, found=found)
        self._tell(await in_thread(resolved, now=self._line.now()))

    def _warn(self, message: str, problem: Exception) -> None:
        extra = {"venue": self._line.venue, "subject": str(self._held.pk), "reason": str(problem)[:200]}
        logger.warning(message, extra=extra)


def _now() -> float:
    return asyncio.get_running_loop().time()
