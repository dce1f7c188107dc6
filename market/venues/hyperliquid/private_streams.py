"""Private streams: real-time orders, fills, funding payments and ledger updates of accounts.

Each account has its own connection: `orderUpdates` does not name the account, and as the venue allows ten
connections and ten users per IP address, one connection per account costs nothing. `openOrders` names its
user, but does not report how an order ended, nor orders that ended at once. The caller polls accounts
beyond the available slots.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from market.domain.errors import ParseError
from market.domain.orders import (
    AccountEvent,
    AccountMessage,
    AccountStream,
    VenueFill,
    VenueFunding,
    VenueMovement,
    VenueOrder,
)
from market.domain.session import Ack, Message, Pong, Refusal, Session, Undecodable
from market.domain.subscriptions import MessagePacer, StreamLimits, Subscription
from market.venues.base import AccountListener
from market.venues.hyperliquid import accounts
from market.venues.hyperliquid.codec import GREETING, guarded
from market.venues.hyperliquid.ledger_updates import movements_read
from market.venues.hyperliquid.parsing import JsonObject
from market.venues.hyperliquid.parsing import address as address_of
from market.venues.rows import Rows, rows_decode
from market.venues.stream import ConnectLimiter, StreamConnection

SLOTS = 8  # of ten connections: one is used by the feed, one is left for a connection that is closing
CONNECTIONS_PER_MINUTE = 20  # of the thirty that the venue allows
# Accounts may be silent for days: only pongs show that a connection is alive.
LIMITS = StreamLimits(
    subscriptions=4,
    messages_per_second=20,
    messages_per_minute=200,
    ping_every=10.0,
    silence=float("inf"),
    any_frame_timeout=25.0,
    progress={},
)
STREAMS: dict[AccountStream, str] = {
    "orders": "orderUpdates",
    "fills": "userFills",
    "fundings": "userFundings",
    "movements": "userNonFundingLedgerUpdates",
}
_KINDS = {wire: kind for kind, wire in STREAMS.items()}


# Channel → field of its rows (`orderUpdates` has none) and their decoder.
_ROWS: dict[str, tuple[str, Callable[[Any, str], Rows[Any]]]] = {
    "orderUpdates": ("", lambda rows, _: rows_decode(rows, accounts.update_read)),
    "userFills": ("fills", lambda rows, _: accounts.fills_read(rows)),
    "userFundings": ("fundings", lambda rows, _: accounts.fundings_read(rows)),
    "userNonFundingLedgerUpdates": ("nonFundingLedgerUpdates", movements_read),
}


class PrivateCodec:
    """`market.domain.session.Codec` of one account's streams. Snapshots are decoded like updates."""

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

    def _read(self, message: JsonObject) -> Sequence[Message]:
        channel = message["channel"]
        if channel in _ROWS:
            return self._account_messages(message)
        if channel == "pong":
            return (Pong(),)
        if channel == "subscriptionResponse":
            return self._response(message["data"])
        return self._error(str(message.get("data"))) if channel == "error" else ()

    def _account_messages(self, message: JsonObject) -> Sequence[Message]:
        channel, data = message["channel"], message["data"]  # an object, or the rows themselves
        field, read = _ROWS[channel]
        if field and address_of(data["user"]) != self._address:
            raise ParseError("message of another account", data["user"])
        rows = read(data[field] if field else data, self._address)
        # Snapshots are sorted newest first.
        events: list[AccountEvent] = sorted(rows, key=lambda event: event.time) if field else list(rows)
        messages = [AccountMessage(self._address, _KINDS[channel], event) for event in events]
        return [*messages, *map(Undecodable, rows.rejected)]

    def _response(self, data: JsonObject) -> Sequence[Message]:
        kind = _KINDS.get(data["subscription"]["type"])
        if kind is None:
            return ()
        subscribed = data["method"] == "subscribe"
        ack = Ack(Subscription(kind, self._address), subscribed)
        return (ack, AccountMessage(self._address, kind)) if subscribed else (ack,)

    def _error(self, text: str) -> Sequence[Message]:
        """Decode an error. Each connection subscribes once, so "already subscribed" answers a repeat."""
        kinds = [kind for wire, kind in _KINDS.items() if f'"{wire}"' in text]
        if kinds and text.startswith("Already subscribed"):
            return (
                Ack(Subscription(kinds[0], self._address), subscribed=True),
                AccountMessage(self._address, kinds[0]),
            )
        return (Refusal(text, Subscription(kinds[0], self._address) if kinds else None),)


def _account_stream(subscription: Subscription) -> AccountStream:
    return next(kind for kind in STREAMS if kind == subscription.kind)


class PrivateStreams:
    """Private streams of a set of accounts.

    The listener gets `connected` once all streams have started and `disconnected` once the first is lost,
    so that the state holds for every account.
    """

    def __init__(self, venue: str, url: str, *, slots: int = SLOTS, first: float = 0.5) -> None:
        self.slots = slots
        self._venue = venue
        self._url = url
        self._first = first
        self._connect_limiter = ConnectLimiter(CONNECTIONS_PER_MINUTE)
        self._pace = MessagePacer(LIMITS)
        self._watched: list[str] = []
        self._changed = asyncio.Event()

    def watch(self, addresses: Iterable[str]) -> None:
        """Replace the set of accounts. Raises `ValueError` for more accounts than slots."""
        watched = list(dict.fromkeys(address.lower() for address in addresses))
        if len(watched) > self.slots:
            raise ValueError(f"{len(watched)} accounts, but streams for {self.slots}")
        self._watched = watched
        self._changed.set()

    async def run(self, listener: AccountListener) -> None:
        streams = _AccountStreams(listener)
        running: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                streams.set_watched(self._watched)
                for address in [address for address in running if address not in self._watched]:
                    running.pop(address).cancel()
                for address in [address for address in self._watched if address not in running]:
                    running[address] = tasks.create_task(self._run_account(address, streams))
                await self._changed.wait()

    async def _run_account(self, address: str, streams: "_AccountStreams") -> None:
        session = Session(PrivateCodec(address), LIMITS, self._pace)
        connection = StreamConnection(
            self._venue, self._url, session, first=self._first, connect_limiter=self._connect_limiter
        )
        connection.set_subscriptions([Subscription(kind, address) for kind in STREAMS])
        await connection.run(_Account(address, streams))


class _AccountStreams:
    """Shared state: watched accounts, accounts with started streams, and the state sent to the listener."""

    def __init__(self, listener: AccountListener) -> None:
        self.listener = listener
        self._watched: set[str] = set()
        self._started: set[str] = set()
        self._is_connected = False

    def set_watched(self, addresses: Iterable[str]) -> None:
        self._watched = set(addresses)
        self._update_listener("the set of watched accounts changed")

    def started(self, address: str) -> None:
        self._started.add(address)
        self._update_listener("")

    def on_lost(self, address: str, reason: str) -> None:
        self._started.discard(address)
        self._update_listener(f"{address}: {reason}")

    def _update_listener(self, reason: str) -> None:
        complete = bool(self._watched) and self._watched <= self._started
        if complete == self._is_connected:
            return
        self._is_connected = complete
        if complete:
            self.listener.connected()
        else:
            self.listener.disconnected(reason)


class _Account:
    """A `market.venues.stream.StreamListener`: forwards the messages of one account's connection."""

    def __init__(self, address: str, streams: _AccountStreams) -> None:
        self._address = address
        self._streams = streams
        self._started: set[AccountStream] = set()

    def connected(self) -> None:
        """Ignored: an open connection is reported only when its streams have started."""

    def disconnected(self, reason: str) -> None:
        self._started.clear()
        self._streams.on_lost(self._address, reason)

    def event(self, message: AccountMessage) -> None:
        match message.event:
            case None:
                self._started.add(message.kind)
                if self._started == set(STREAMS):
                    self._streams.started(self._address)
            case VenueOrder() as order:
                self._streams.listener.order(message.address, order)
            case VenueFill() as fill:
                self._streams.listener.fill(message.address, fill)
            case VenueFunding() as funding:
                self._streams.listener.funding(message.address, funding)
            case VenueMovement() as movement:
                self._streams.listener.movement(message.address, movement)
