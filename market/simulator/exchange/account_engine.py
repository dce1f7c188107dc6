"""The account side as one thing: attached to the world, handed actions, and stepped with the blocks."""

from pathlib import Path
from typing import Any

from market.domain.matching import Filled
from market.simulator.exchange import (
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
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.core import Exchange, Notice
from market.simulator.exchange.journal import Journal, restore
from market.simulator.exchange.reduce_only import PositionRation
from market.simulator.exchange.rules import LENIENT_RULES, Rules
from market.simulator.info import Reply
from market.simulator.world import Market, Trade, World

COVER_EVERY = 1_000  # ms; it looks at every order of everybody


class House:
    """All accounts of one world."""

    def __init__(self, world: World, rules: Rules = LENIENT_RULES) -> None:
        self.exchange = Exchange(world, rules)
        self._rations: dict[str, PositionRation] = {}
        for coin, market in world.markets.items():
            market.listener = self._matched
            if not market.listing.is_spot:
                self._rations[coin] = PositionRation(self.exchange, coin)
                market.ration(self._rations[coin])
        self._journal: Journal | None = None
        self._cover_due = 0

    def remember(self, folder: Path) -> None:
        """Take up what is in the folder, and keep it there from now on."""
        restore(self.exchange, folder)
        post_trade.settle(self.exchange)
        self._journal = Journal(self.exchange, folder)
        self._journal.open()

    def commit(self) -> None:
        """Make what happened survive this process; to be called before anybody is told."""
        if self._journal is not None:
            self._journal.commit()

    def close(self) -> None:
        if self._journal is not None:
            self._journal.commit()
            self._journal.close()

    def _matched(self, market: Market, fill: Filled, trade: Trade) -> None:
        fills.match_book(self.exchange, market, fill, trade)
        maker, ration = self.exchange.orders.get(fill.maker_id), self._rations.get(market.listing.coin)
        if maker and ration:
            ration.booked(maker.owner, maker.sign * fill.size)

    def act(self, body: Any, now: int) -> Reply:
        """Answer one body of `POST /exchange`."""
        self.exchange.now = max(now, self.exchange.now)
        reply = Reply(*dispatch.handle(self.exchange, body))
        self.commit()
        return reply

    def ask(self, request: Any) -> Reply:
        """Answer one body of `POST /info`."""
        return queries.answer(self.exchange, request)

    def fund(self, address: str, units: int) -> Account:
        """Pay in from outside, in millionths of a USDC."""
        account = transfers.fund(self.exchange, address.lower(), units)
        self.commit()
        return account

    def fund_positions(self) -> int:
        """Pay an hour of funding now. Returns how many positions paid or received it."""
        paid = funding.pay_now(self.exchange)
        self.commit()
        return paid

    def block(self, now: int) -> None:
        """What is due after the world moved to `now`."""
        exchange = self.exchange
        exchange.now = max(now, exchange.now)
        post_trade.settle(exchange)
        order_execution.slices_continue(exchange)
        funding.pay_due(exchange)
        liquidation.liquidate_due(exchange)
        self._check_cover(now)
        order_actions.schedules_fire(exchange)
        triggers.fire_due(exchange)
        twap.slices_send(exchange)
        post_trade.settle(exchange)
        self.commit()

    def _check_cover(self, now: int) -> None:
        if now >= self._cover_due:
            self._cover_due = now + COVER_EVERY
            liquidation.uncovered_cancel(self.exchange)

    def drain(self) -> list[Notice]:
        return self.exchange.drain()
