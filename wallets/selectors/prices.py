"""What orders are judged against: the prices of a venue, and how old they are."""

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import redis

from market import hub
from market.domain.formatting import decimal_parse

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prices:
    """Ticks by symbol. `age` is that of the feed's newest frame in ms, None when the feed is not heard.

    An instrument that did not move has an old tick and a good price, so the feed's age is what counts.
    """

    ticks: dict[str, dict[str, Any]]
    age: int | None

    def mark(self, symbol: str) -> Decimal | None:
        """The venue's mark, else the last price."""
        return self._figure(symbol, "mark") or self._figure(symbol, "last")

    def bid(self, symbol: str) -> Decimal | None:
        return self._figure(symbol, "bid") or self.mark(symbol)

    def ask(self, symbol: str) -> Decimal | None:
        return self._figure(symbol, "ask") or self.mark(symbol)

    def age_of(self, symbol: str) -> int | None:
        return None if self.mark(symbol) is None else self.age

    def _figure(self, symbol: str, name: str) -> Decimal | None:
        return decimal_parse(self.ticks.get(symbol, {}).get(name))


def prices_of(venue: str) -> Prices:
    """The prices now; none and no age when Redis is away, which denies entries and lets exits through."""
    try:
        snapshot = hub.topic_read(f"ticks.{venue}")
        said = hub.venue_statuses([venue]).get(venue)
    except redis.RedisError as problem:
        logger.debug("prices are unknown", extra={"venue": venue, "reason": str(problem)[:200]})
        return Prices({}, None)
    ticks = snapshot.whole if snapshot else {}
    return Prices(ticks, said.age_ms + said.silent_ms if said else None)
