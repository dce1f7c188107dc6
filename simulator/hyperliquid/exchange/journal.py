"""Append-only journal of the account state: JSON lines, written before a response is sent.

Each line holds the complete new value of everything that changed, by key; restoring applies the lines in order.
A killed process may leave a partial last line; nothing in it was acknowledged. Opening compacts the file.
"""

import logging
from pathlib import Path
from typing import IO, Any

import orjson

from market.domain.matching import NewOrder
from simulator.hyperliquid.exchange.accounts import LOGS, account_load
from simulator.hyperliquid.exchange.core import POPULATION, Agent, DirtySet, Exchange
from simulator.hyperliquid.exchange.nonces import NonceWindow
from simulator.hyperliquid.exchange.order_execution import TIFS
from simulator.hyperliquid.exchange.orders import Order, order_load
from simulator.hyperliquid.exchange.twap import Twap

logger = logging.getLogger(__name__)

NAME = "exchange.jsonl"
VERSION = 2
MAX_LINE_LENGTH = 64 * 1024 * 1024
Line = dict[str, Any]


# --- writing -----------------------------------------------------------------------------------
def changes(exchange: Exchange, touched: DirtySet) -> Line:
    """The journal line for a dirty set: complete values, and null for what was removed."""
    accounts = {user: _account(exchange, user) for user in touched.accounts}
    orders = {str(oid): exchange.orders.get(oid) for oid in touched.orders}
    agents = {name: exchange.agents.get(name) for name in touched.agents}
    return {
        "accounts": accounts,
        "orders": {oid: order and order.dump() for oid, order in orders.items()},
        "agents": {name: agent and vars(agent) for name, agent in agents.items()},
        "nonces": touched.nonces,
        "twaps": {str(number): exchange.twaps[number].dump() for number in touched.twaps},
        "logs": touched.logs,
        "exchange": {
            "next_oid": exchange.next_oid,
            "next_twap": exchange.next_twap,
            "fees": exchange.fees,
            "funded_until": exchange.funded_until,
            "now": exchange.now,
        },
    }


def _account(exchange: Exchange, user: str) -> Line:
    account = exchange.population if user == POPULATION else exchange.accounts[user]
    return account.dump()


def everything(exchange: Exchange) -> DirtySet:
    """A dirty set that covers the whole state."""
    accounts = exchange.accounts
    return DirtySet(
        accounts={*accounts, POPULATION},
        orders=set(exchange.orders),
        agents=set(exchange.agents),
        twaps=set(exchange.twaps),
        nonces=[(user, nonce) for user, line in exchange.signers.items() for nonce in line.used],
        logs=[
            (name, user, row)
            for user, account in accounts.items()
            for name in LOGS
            for row in getattr(account, name)
        ],
    )


class Journal:
    """The open journal file. A failed write raises `OSError`; then nothing may be acknowledged."""

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        self._exchange = exchange
        self._path = folder / NAME
        self._file: IO[bytes] | None = None
        self._size = 0

    def open(self) -> None:
        """Replace the file by one line with the current state, and open it for appending."""
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        line = {"version": VERSION, **changes(self._exchange, everything(self._exchange))}
        draft.write_bytes(orjson.dumps(line) + b"\n")
        draft.replace(self._path)
        self._exchange.touched = DirtySet()
        self._file = self._path.open("ab", buffering=0)
        self._size = 0

    def commit(self) -> None:
        """Append what changed since the last commit; compact the file when it has grown too large."""
        touched = self._exchange.touched
        if not touched or self._file is None:
            return
        line = orjson.dumps(changes(self._exchange, touched)) + b"\n"
        self._file.write(line)
        self._exchange.touched = DirtySet()
        self._size += len(line)
        if self._size > MAX_LINE_LENGTH:
            self.open()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


# --- reading -----------------------------------------------------------------------------------
def _lines(path: Path) -> list[Line]:
    found: list[Line] = []
    for text in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(orjson.loads(text))
        except orjson.JSONDecodeError:
            logger.warning("journal ends in a partial line, which is ignored: nothing in it was acknowledged")
            break
    return found


def restore(exchange: Exchange, folder: Path) -> None:
    """Apply every line of the journal to the exchange, and put open orders back into the order books."""
    lines = _lines(folder / NAME)
    if lines and lines[0].get("version") != VERSION:
        logger.warning("journal has another version and is ignored: starting without accounts")
        return
    for line in lines:
        _apply(exchange, line)
    _index(exchange)
    _reopen(exchange)


def _apply(exchange: Exchange, line: Line) -> None:
    for user, saved in line["accounts"].items():
        _apply_account(exchange, user, saved)
    for oid, saved in line["orders"].items():
        exchange.orders.pop(int(oid), None)
        if saved:
            exchange.orders[int(oid)] = order_load(saved)
    _apply_agents(exchange, line["agents"])
    for signer, nonce in line["nonces"]:
        exchange.signers.setdefault(signer, NonceWindow()).remember(nonce)
    exchange.twaps |= {int(number): Twap(**saved) for number, saved in line["twaps"].items()}
    for log, user, row in line["logs"]:
        getattr(exchange.accounts[user], log).append(row)
    for name, value in line["exchange"].items():
        setattr(exchange, name, value)


def _apply_agents(exchange: Exchange, agents: dict[str, Line | None]) -> None:
    """Apply agents; the nonces of a removed agent are removed with it."""
    for name, saved in agents.items():
        exchange.agents.pop(name, None)
        if saved is None:
            exchange.signers.pop(name, None)
        else:
            exchange.agents[name] = Agent(**saved)


def _apply_account(exchange: Exchange, user: str, saved: Line) -> None:
    loaded = account_load(saved)
    if user == POPULATION:
        exchange.population = loaded
        return
    if (old := exchange.accounts.get(user)) is not None:
        for log in LOGS:
            setattr(loaded, log, getattr(old, log))
    exchange.accounts[user] = loaded


def _index(exchange: Exchange) -> None:
    """Rebuild the indexes that derive from the orders: history, client order IDs, open and armed orders."""
    listed = exchange.world.markets
    exchange.orders = {oid: order for oid, order in sorted(exchange.orders.items()) if order.coin in listed}
    ended = [order for order in exchange.orders.values() if not order.live]
    for order in sorted(ended, key=lambda order: (order.status_time, order.oid)):
        exchange.accounts[order.owner].history.append(order.oid)
    for order in exchange.orders.values():
        if order.cloid:
            exchange.by_cloid[order.owner, order.cloid] = order.oid
        if order.live and not order.dormant:
            exchange.accounts[order.owner].open[order.oid] = None
        if order.armed:
            exchange.armed.setdefault(order.coin, {})[order.oid] = None


def _reopen(exchange: Exchange) -> None:
    """Reopen the order books.

    Restored orders enter before the synthetic quotes, so an order that the price crossed while the venue was
    down is filled as a maker.
    """
    exchange.now = max(exchange.now, exchange.world.now)
    resting: dict[str, list[Order]] = {}
    for order in exchange.orders.values():
        if order.rests:
            resting.setdefault(order.coin, []).append(order)
    for coin, orders in resting.items():
        entries = [
            NewOrder(
                order.oid, order.owner, order.side, order.price, order.remaining, TIFS["Gtc"], order.cloid
            )
            for order in orders
        ]
        exchange.market(coin).reopen(entries, exchange.world.now, exchange.world.trade_ids())
