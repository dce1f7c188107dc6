"""The accounts of the venue and everything that hangs on them: state, and who is told of its changes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from market.simulator.exchange.accounts import Account, Position
from market.simulator.exchange.nonces import NonceLine
from market.simulator.exchange.orders import FIRST_OID, Order
from market.simulator.exchange.rules import LENIENT_RULES, Rules
from market.simulator.universe import FIRST_SPOT_ASSET, Listing
from market.simulator.world import Market, World

POPULATION = "population"
USUAL_LEVERAGE = 20
NoticeKind = Literal["order", "fill", "cancel", "funding", "ledger", "liquidation", "twap", "slice"]


class Notice(NamedTuple):
    """Something that an account's private streams tell."""

    user: str
    kind: NoticeKind
    data: dict[str, Any]


@dataclass
class Agent:
    """A key that may trade for `master`. `valid_until` in ms; an unnamed one has the name ""."""

    address: str
    master: str
    name: str
    valid_until: int | None


@dataclass
class Touched:
    """What changed since the journal was written last."""

    accounts: set[str] = field(default_factory=set)
    orders: set[int] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    nonces: list[tuple[str, int]] = field(default_factory=list)
    twaps: set[int] = field(default_factory=set)
    logs: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # name of log, user, row

    def __bool__(self) -> bool:
        return any((self.accounts, self.orders, self.agents, self.nonces, self.twaps, self.logs))


class Exchange:
    """State of the account side. The modules beside this one act on it."""

    def __init__(self, world: World, rules: Rules = LENIENT_RULES) -> None:
        self.world = world
        self.rules = rules
        self.now = world.now
        self.accounts: dict[str, Account] = {}
        self.agents: dict[str, Agent] = {}
        self.signers: dict[str, NonceLine] = {}
        self.fees: dict[str, int] = {}  # token → collected, in the unit of the token's ledger
        self.funded_until = world.now
        self._orders_begin()
        self.notices: list[Notice] = []
        self.touched = Touched()
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
        # What the matches since the last `settle` hit: orders that rested, and (user, coin) that traded.
        self.hit: dict[int, None] = {}
        self.moved: dict[tuple[str, str], None] = {}
        self.parts = 1  # in how many parts orders match, one a block; more than one is a fault
        self.slicing: dict[int, int] = {}  # oid → lots of a part
        self.post_only = False  # as right after a network upgrade
        self.capped: set[str] = set()  # perpetuals whose open interest may not grow

    # --- looking up ----------------------------------------------------------------------------
    def market(self, coin: str) -> Market:
        return self.world.markets[coin]

    def position(self, account: Account, coin: str) -> Position:
        """The account's position, flat if there was none; remembers its leverage."""
        if coin not in account.positions:
            most = self.market(coin).listing.leverage
            account.positions[coin] = Position(leverage=min(USUAL_LEVERAGE, most))
        return account.positions[coin]

    def open_orders(self, account: Account, coin: str | None = None) -> Iterator[Order]:
        """Oldest first; orders that wait for a trigger included, dormant children not."""
        for oid in account.open:
            order = self.orders[oid]
            if coin in (None, order.coin):
                yield order

    # --- telling -------------------------------------------------------------------------------
    def tell(self, user: str, kind: NoticeKind, data: dict[str, Any]) -> None:
        self.notices.append(Notice(user, kind, data))

    def log(self, name: str, user: str, row: dict[str, Any]) -> None:
        """Keep a row in one of the account's logs, and in the journal."""
        getattr(self.accounts[user], name).append(row)
        self.touched.logs.append((name, user, row))
        self.touched.accounts.add(user)

    def touch(self, account: Account) -> None:
        self.touched.accounts.add(account.address)

    def drain(self) -> list[Notice]:
        """The notices since the last time."""
        told, self.notices = self.notices, []
        return told
