"""Streams of accounts: what happens to orders and money, as it happens.

Each account has a connection of its own. `orderUpdates` does not say whose order it tells, the venue
allows ten connections and ten users per network address, and so nothing is lost by it: a connection that
carries one account needs no guess. `openOrders` does name its user, but tells neither how an order ended
nor anything of one that ended at once. Accounts beyond the slots are polled by their owner.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from market.domain.errors import ParseError
from market.domain.orders import AccountStream, Fact, News, VenueFill, VenueFunding, VenueMovement, VenueOrder
from market.domain.session import Ack, Message, Pong, Refusal, Session
from market.domain.subscriptions import Limits, Pace, Subscription
from market.venues.base import AccountSink
from market.venues.hyperliquid import accounts
from market.venues.hyperliquid.codec import GREETING, guarded
from market.venues.hyperliquid.ledger_updates import movements_read
from market.venues.hyperliquid.parsing import address as address_of
from market.venues.stream import Door, Line

SLOTS = 8  # of ten connections; one is the feed's, and one is left for a line that lingers
CONNECTIONS_PER_MINUTE = 20  # of thirty
# Accounts may be silent for days: only answers to pings say that a line lives.
LIMITS = Limits(
    subscriptions=4,
    messages_per_second=20,
    messages_per_minute=200,
    ping_every=10.0,
    silence=float("inf"),
    quiet=25.0,
    progress={},
)
STREAMS: dict[AccountStream, str] = {
    "orders": "orderUpdates",
    "fills": "userFills",
    "fundings": "userFundings",
    "movements": "userNonFundingLedgerUpdates",
}
_KINDS = {wire: kind for kind, wire in STREAMS.items()}


def _movements(rows: Any, address: str) -> Sequence[Fact]:
    """Rows that are not understood are left to the query, which complains of them."""
    return movements_read(rows, address)[0]


def _updates(rows: Any, address: str) -> Sequence[Fact]:
    return [accounts.update_read(row) for row in rows]


# Channel → where its rows are (a row of `orderUpdates` stands alone), and what reads them.
_ROWS: dict[str, tuple[str, Callable[[Any, str], Sequence[Fact]]]] = {
    "orderUpdates": ("", _updates),
    "userFills": ("fills", lambda rows, _: accounts.fills_read(rows)),
    "userFundings": ("fundings", lambda rows, _: accounts.fundings_read(rows)),
    "userNonFundingLedgerUpdates": ("nonFundingLedgerUpdates", _movements),
}


class PrivateCodec:
    """`market.domain.session.Codec` for the streams of one account. Snapshots are facts like any other."""

    def __init__(self, address: str) -> None:
        self._address = address.lower()

    def decode(self, frame: bytes) -> Sequence[Message]:
        if frame == GREETING:
            return ()
        return guarded(lambda: self._read(orjson.loads(frame)), frame[:200])

    def subscribe(self, subscription: Subscription) -> bytes:
        return self._command("subscribe", subscription)

    def unsubscribe(self, subscription: Subscription) -> bytes:
        return self._command("unsubscribe", subscription)

    def ping(self) -> bytes:
        return b'{"method":"ping"}'

    def _command(self, method: str, subscription: Subscription) -> bytes:
        wire = {"type": STREAMS[_account_stream(subscription)], "user": subscription.symbol}
        return orjson.dumps({"method": method, "subscription": wire})

    def _read(self, message: Any) -> Sequence[Message]:
        channel, data = message["channel"], message.get("data")
        if channel in _ROWS:
            return self._news(channel, data)
        if channel == "pong":
            return (Pong(),)
        if channel == "subscriptionResponse":
            return self._response(data)
        return self._error(str(data)) if channel == "error" else ()

    def _news(self, channel: str, data: Any) -> Sequence[Message]:
        field, read = _ROWS[channel]
        if field and address_of(data["user"]) != self._address:
            raise ParseError("news of another account", data["user"])
        facts = read(data[field] if field else data, self._address)
        if field:  # snapshots come newest first
            facts = sorted(facts, key=lambda fact: fact.time)
        return [News(self._address, _KINDS[channel], fact) for fact in facts]

    def _response(self, data: Any) -> Sequence[Message]:
        kind = _KINDS.get(data["subscription"]["type"])
        if kind is None:
            return ()
        subscribed = data["method"] == "subscribe"
        ack = Ack(Subscription(kind, self._address), subscribed)
        return (ack, News(self._address, kind)) if subscribed else (ack,)

    def _error(self, text: str) -> Sequence[Message]:
        """Our connections are new when they subscribe, so "already subscribed" answers a second asking."""
        named = [kind for wire, kind in _KINDS.items() if f'"{wire}"' in text]
        if named and text.startswith("Already subscribed"):
            return (
                Ack(Subscription(named[0], self._address), subscribed=True),
                News(self._address, named[0]),
            )
        return (Refusal(text, Subscription(named[0], self._address) if named else None),)


def _account_stream(subscription: Subscription) -> AccountStream:
    return next(kind for kind in STREAMS if kind == subscription.kind)


class PrivateStreams:
    """The streams of some accounts. Its sink hears `connected` when all of them have begun, and
    `disconnected` when the first is lost: what is true of all accounts is true of each."""

    def __init__(self, venue: str, url: str, *, slots: int = SLOTS, first: float = 0.5) -> None:
        self.slots = slots
        self._venue = venue
        self._url = url
        self._first = first
        self._door = Door(CONNECTIONS_PER_MINUTE)
        self._pace = Pace(LIMITS)
        self._wanted: list[str] = []
        self._changed = asyncio.Event()

    def watch(self, addresses: Iterable[str]) -> None:
        """Replace the set of accounts. Raises `ValueError` for more than there are slots."""
        wanted = list(dict.fromkeys(address.lower() for address in addresses))
        if len(wanted) > self.slots:
            raise ValueError(f"{len(wanted)} accounts, but streams for {self.slots}")
        self._wanted = wanted
        self._changed.set()

    async def run(self, sink: AccountSink) -> None:
        crowd = _Crowd(sink)
        running: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                crowd.wanted(self._wanted)
                for address in [address for address in running if address not in self._wanted]:
                    running.pop(address).cancel()
                for address in [address for address in self._wanted if address not in running]:
                    running[address] = tasks.create_task(self._carry(address, crowd))
                await self._changed.wait()

    async def _carry(self, address: str, crowd: "_Crowd") -> None:
        session = Session(PrivateCodec(address), LIMITS, self._pace)
        line = Line(self._venue, self._url, session, first=self._first, door=self._door)
        line.desire([Subscription(kind, address) for kind in STREAMS])
        await line.run(_Account(address, crowd))


class _Crowd:
    """Which accounts are wanted, whose streams have begun, and what the sink believes."""

    def __init__(self, sink: AccountSink) -> None:
        self.sink = sink
        self._wanted: set[str] = set()
        self._begun: set[str] = set()
        self._told = False

    def wanted(self, addresses: Iterable[str]) -> None:
        self._wanted = set(addresses)
        self._judge("other accounts are watched")

    def begun(self, address: str) -> None:
        self._begun.add(address)
        self._judge("")

    def lost(self, address: str, reason: str) -> None:
        self._begun.discard(address)
        self._judge(f"{address}: {reason}")

    def _judge(self, reason: str) -> None:
        complete = bool(self._wanted) and self._wanted <= self._begun
        if complete == self._told:
            return
        self._told = complete
        if complete:
            self.sink.connected()
        else:
            self.sink.disconnected(reason)


class _Account:
    """A `market.venues.stream.Hearer`: passes on what one account's line says."""

    def __init__(self, address: str, crowd: _Crowd) -> None:
        self._address = address
        self._crowd = crowd
        self._begun: set[AccountStream] = set()

    def connected(self) -> None:
        """Only an open line: nothing is told before the streams have begun."""

    def disconnected(self, reason: str) -> None:
        self._begun.clear()
        self._crowd.lost(self._address, reason)

    def event(self, event: News) -> None:
        match event.fact:
            case None:
                self._begun.add(event.kind)
                if self._begun == set(STREAMS):
                    self._crowd.begun(self._address)
            case VenueOrder() as order:
                self._crowd.sink.order(event.address, order)
            case VenueFill() as fill:
                self._crowd.sink.fill(event.address, fill)
            case VenueFunding() as funding:
                self._crowd.sink.funding(event.address, funding)
            case VenueMovement() as movement:
                self._crowd.sink.movement(event.address, movement)
