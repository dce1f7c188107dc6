"""Account engine: facade over all accounts of a world; executes actions and is stepped once per block."""

from pathlib import Path
from typing import Any

from market.domain.matching import Filled
from simulator.hyperliquid.exchange import (
    dispatch,
    fills,
    funding,
    liquidation,
    order_actions,
    order_execution,
    post_trade,
    queries,
    transfers,
    triggers,
    twap,
)
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange, Notification
from simulator.hyperliquid.exchange.fees import LENIENT_RULES, Rules
from simulator.hyperliquid.exchange.journal import Journal, restore
from simulator.hyperliquid.exchange.order_execution import ReduceOnlyLimiter
from simulator.hyperliquid.info import Reply
from simulator.markets.world import Market, Trade, World

MARGIN_CHECK_INTERVAL = 1_000  # ms; the check iterates over every open order of every account


class AccountEngine:
    """Account engine of one world: listens to its matches, executes actions, keeps the journal."""

    def __init__(self, world: World, rules: Rules = LENIENT_RULES) -> None:
        self.exchange = Exchange(world, rules)
        self._reduce_only_caps: dict[str, ReduceOnlyLimiter] = {}
        for coin, market in world.markets.items():
            market.listener = self._matched
            if not market.listing.is_spot:
                self._reduce_only_caps[coin] = ReduceOnlyLimiter(self.exchange, coin)
                market.set_reduce_only_cap(self._reduce_only_caps[coin])
        self._journal: Journal | None = None
        self._margin_check_due = 0

    def restore(self, folder: Path) -> None:
        """Load the journal from the folder, and write it there from now on."""
        restore(self.exchange, folder)
        post_trade.settle(self.exchange)
        self._journal = Journal(self.exchange, folder)
        self._journal.open()

    def commit(self) -> None:
        """Append the changes to the journal; must be called before a response or a notification is sent."""
        if self._journal is not None:
            self._journal.commit()

    def close(self) -> None:
        if self._journal is not None:
            self._journal.commit()
            self._journal.close()

    def _matched(self, market: Market, fill: Filled, trade: Trade) -> None:
        fills.match_book(self.exchange, market, fill, trade)
        maker, cap = self.exchange.orders.get(fill.maker_id), self._reduce_only_caps.get(market.listing.coin)
        if maker and cap:
            cap.booked(maker.owner, maker.sign * fill.size)

    def handle_action(self, body: Any, now: int) -> Reply:
        """Response to one body of `POST /exchange`."""
        self.exchange.now = max(now, self.exchange.now)
        reply = Reply(*dispatch.handle(self.exchange, body))
        self.commit()
        return reply

    def handle_info(self, request: Any) -> Reply:
        """Response to one body of `POST /info`."""
        return queries.answer(self.exchange, request)

    def fund(self, address: str, units: int) -> Account:
        """Deposit from outside the venue, in millionths of a USDC."""
        account = transfers.fund(self.exchange, address.lower(), units)
        self.commit()
        return account

    def fund_positions(self) -> int:
        """Charge one hour of funding now. Returns the number of positions that paid or received it."""
        paid = funding.pay_now(self.exchange)
        self.commit()
        return paid

    def block(self, now: int) -> None:
        """Run everything that is due after the world moved to `now`: funding, liquidations, triggers, TWAPs."""
        exchange = self.exchange
        exchange.now = max(now, exchange.now)
        post_trade.settle(exchange)
        order_execution.slices_continue(exchange)
        funding.pay_due(exchange)
        liquidation.liquidate_due(exchange)
        self._check_margin(now)
        order_actions.schedules_fire(exchange)
        triggers.fire_due(exchange)
        twap.slices_send(exchange)
        post_trade.settle(exchange)
        self.commit()

    def _check_margin(self, now: int) -> None:
        if now >= self._margin_check_due:
            self._margin_check_due = now + MARGIN_CHECK_INTERVAL
            liquidation.uncovered_cancel(self.exchange)

    def drain(self) -> list[Notification]:
        return self.exchange.drain()
