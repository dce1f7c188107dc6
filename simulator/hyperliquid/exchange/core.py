"""State of all accounts of the simulated venue, and the notifications about its changes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from simulator.hyperliquid.exchange.accounts import Account, Position
from simulator.hyperliquid.exchange.fees import LENIENT_RULES, Rules
from simulator.hyperliquid.exchange.nonces import NonceWindow
from simulator.hyperliquid.exchange.orders import FIRST_OID, Order
from simulator.markets.universe import FIRST_SPOT_ASSET, Listing
from simulator.markets.world import Market, World

POPULATION = "population"
DEFAULT_LEVERAGE = 20
NoticeKind = Literal["order", "fill", "cancel", "funding", "ledger", "liquidation", "twap", "slice"]


class Notification(NamedTuple):
    """One update for the private streams of an account."""

    user: str
    kind: NoticeKind
    data: dict[str, Any]


@dataclass
class Agent:
    """API wallet ("agent"): a key that may trade for `master`. `valid_until` in ms; an unnamed agent has the name ""."""

    address: str
    master: str
    name: str
    valid_until: int | None


@dataclass
class DirtySet:
    """Dirty set: the keys of all state that changed since the last journal write."""

    accounts: set[str] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    nonces: list[tuple[str, int]] = field(default_factory=list)
    twaps: set[int] = field(default_factory=set)
    logs: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # name of log, user, row

    def __bool__(self) -> bool:
        return any((self.accounts, self.orders, self.agents, self.nonces, self.twaps, self.logs))


class Exchange:
    """State of all accounts and orders. The other modules of this package are functions that change it."""

    def __init__(self, world: World, rules: Rules = LENIENT_RULES) -> None:
        self.world = world
        self.rules = rules
        self.now = world.now
        self.accounts: dict[str, Account] = {}
        self.agents: dict[str, Agent] = {}
        self.signers: dict[str, NonceWindow] = {}
        self.fees: dict[str, int] = {}  # token → collected, in the unit of the token's ledger
        self.funded_until = world.now
        self._orders_begin()
        self.notices: list[Notification] = []
        self.touched = DirtySet()
        perps = [listing for listing in world.listings if not listing.is_spot]
        self.assets: dict[int, Listing] = dict(enumerate(perps)) | {
            FIRST_SPOT_ASSET + (listing.spot_index or 0): listing
            for listing in world.listings
            if listing.is_spot
        }
        self.asset_of = {listing.coin: asset for asset, listing in self.assets.items()}
        self.population = Account(POPULATION)

    def _orders_begin(self) -> None:
        self.orders: dict[int, Order] = {}
        self.by_cloid: dict[tuple[str, str], int] = {}
        self.armed: dict[str, dict[int, None]] = {}
        self.twaps: dict[int, Any] = {}
        self.next_oid = FIRST_OID
        self.next_twap = 1
        # Affected by matches since the last `settle`: resting orders, and (user, coin) pairs that traded.
        self.hit: dict[int, None] = {}
        self.moved: dict[tuple[str, str], None] = {}
        self.parts = (
            1  # an order matches in this many parts, one per block; more than one is an injected fault
        )
        self.slicing: dict[int, int] = {}  # oid → lots of a part
        self.post_only = False  # true simulates the minutes after a network upgrade
        self.capped: set[str] = set()  # perpetuals that are at their open interest cap

    # --- lookups -------------------------------------------------------------------------------
    def market(self, coin: str) -> Market:
        return self.world.markets[coin]

    def position(self, account: Account, coin: str) -> Position:
        """The account's position; a flat one with the default leverage is created if there was none."""
        if coin not in account.positions:
            max_leverage = self.market(coin).listing.leverage
            account.positions[coin] = Position(leverage=min(DEFAULT_LEVERAGE, max_leverage))
        return account.positions[coin]

    def open_orders(self, account: Account, coin: str | None = None) -> Iterator[Order]:
        """Open orders, oldest first: includes orders that wait for a trigger, excludes dormant children."""
        for oid in account.open:
            order = self.orders[oid]
            if coin in (None, order.coin):
                yield order

    # --- notifications -------------------------------------------------------------------------
    def notify(self, user: str, kind: NoticeKind, data: dict[str, Any]) -> None:
        self.notices.append(Notification(user, kind, data))

    def log(self, name: str, user: str, row: dict[str, Any]) -> None:
        """Append a row to one of the account's logs, and to the journal."""
        getattr(self.accounts[user], name).append(row)
        self.touched.logs.append((name, user, row))
        self.touched.accounts.add(user)

    def mark_dirty(self, account: Account) -> None:
        self.touched.accounts.add(account.address)

    def drain(self) -> list[Notification]:
        """Return and clear the notifications since the last call."""
        notices, self.notices = self.notices, []
        return notices
