"""Reduce-only orders while matches come: none may turn a position, not even within one sweep."""

from market.domain.book_levels import Resting
from market.simulator.exchange.core import Exchange


class PositionRation:
    """A `market.domain.book_levels.Ration` for one perpetual.

    A sweep may fill several orders of one account before any of it is booked; `_unbooked` bridges that.
    """

    def __init__(self, exchange: Exchange, coin: str) -> None:
        self._exchange = exchange
        self._coin = coin
        self._unbooked: dict[str, int] = {}

    def spare(self, order: Resting) -> int:
        known = self._exchange.orders.get(order.id)
        if known is None or not known.reduce_only:
            return order.size
        account = self._exchange.accounts[known.owner]
        lots = self._exchange.position(account, self._coin).lots + self._unbooked.get(known.owner, 0)
        return min(order.size, abs(lots)) if lots * known.sign < 0 else 0

    def matched(self, order: Resting, size: int) -> None:
        if order.id in self._exchange.orders:
            self._add(order.owner, size if order.side == "buy" else -size)

    def booked(self, owner: str, lots: int) -> None:
        """A match of `matched` is in the position now; `lots` as it moved it."""
        self._add(owner, -lots)

    def _add(self, owner: str, lots: int) -> None:
        self._unbooked[owner] = self._unbooked.get(owner, 0) + lots
        if not self._unbooked[owner]:
            del self._unbooked[owner]
