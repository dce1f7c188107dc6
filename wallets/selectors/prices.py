"""Prices for the risk check: ticks of a venue and their age."""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import redis

from core.formatting import decimal_parse
from market import hub

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prices:
    """Ticks by symbol. `age` is the age of the feed's newest frame in ms; None when it is not known.

    An instrument without trades has an old tick and a valid price, so the age of the feed counts.
    """

    ticks: dict[str, dict[str, Any]]
    age: int | None

    def mark(self, symbol: str) -> Decimal | None:
        """The mark price, else the last price."""
        return self._number(symbol, "mark") or self._number(symbol, "last")

    def bid(self, symbol: str) -> Decimal | None:
        return self._number(symbol, "bid") or self.mark(symbol)

    def ask(self, symbol: str) -> Decimal | None:
        return self._number(symbol, "ask") or self.mark(symbol)

    def age_of(self, symbol: str) -> int | None:
        return None if self.mark(symbol) is None else self.age

    def _number(self, symbol: str, name: str) -> Decimal | None:
        return decimal_parse(self.ticks.get(symbol, {}).get(name))


def prices_of(venue: str) -> Prices:
    """The current prices; without Redis no prices and no age, which denies entries and allows exits."""
    try:
        snapshot = hub.topic_read(f"ticks.{venue}")
        status = hub.venue_statuses([venue]).get(venue)
    except redis.RedisError as problem:
        logger.debug("prices not available", extra={"venue": venue, "reason": str(problem)[:200]})
        return Prices({}, None)
    ticks = snapshot.value if snapshot else {}
    return Prices(ticks, status.age_ms + status.silent_ms if status else None)
