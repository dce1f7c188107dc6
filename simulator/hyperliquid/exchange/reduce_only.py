"""Reduce-only cap during matching: no such order may reverse a position, not even within one sweep."""

from market.domain.book_levels import RestingOrder
from simulator.hyperliquid.exchange.core import Exchange


class ReduceOnlyLimiter:
    """A `market.domain.book_levels.ReduceOnlyCap` for one perpetual.

    A sweep may fill several orders of one account before any fill is posted; `_unbooked` holds the difference.
    """

    def __init__(self, exchange: Exchange, coin: str) -> None:
        self._exchange = exchange
        self._coin = coin
        self._unbooked: dict[str, int] = {}

    def spare(self, order: RestingOrder) -> int:
        account_order = self._exchange.orders.get(order.id)
        if account_order is None or not account_order.reduce_only:
            return order.size
        account = self._exchange.accounts[account_order.owner]
        lots = self._exchange.position(account, self._coin).lots + self._unbooked.get(account_order.owner, 0)
        return min(order.size, abs(lots)) if lots * account_order.sign < 0 else 0

    def matched(self, order: RestingOrder, size: int) -> None:
        if order.id in self._exchange.orders:
            self._add(order.owner, size if order.side == "buy" else -size)

    def booked(self, owner: str, lots: int) -> None:
        """A match reported to `matched` has been posted to the position; `lots` is the signed change."""
        self._add(owner, -lots)

    def _add(self, owner: str, lots: int) -> None:
        self._unbooked[owner] = self._unbooked.get(owner, 0) + lots
        if not self._unbooked[owner]:
            del self._unbooked[owner]
