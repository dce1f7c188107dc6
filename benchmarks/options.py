"""Options of a benchmark."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Options:
    """Options of a benchmark. `peers` None: all peers that can run on this machine."""

    seconds: float
    clients: int
    topics: int
    rate: float
    runs: int
    peers: tuple[str, ...] | None = None

    def overridden(self, overrides: dict[str, Any]) -> "Options":
        """These options, overridden by the given ones that are not None."""
        return replace(self, **{key: value for key, value in overrides.items() if value is not None})
