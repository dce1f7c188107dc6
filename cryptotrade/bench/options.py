"""What was asked for, and what is measured when nothing is said."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Options:
    """`None` in `peers`: everybody who can run here."""

    seconds: float
    clients: int
    topics: int
    rate: float
    runs: int
    peers: tuple[str, ...] | None = None

    def given(self, asked: dict[str, Any]) -> "Options":
        """These, but for what was asked for."""
        return replace(self, **{key: value for key, value in asked.items() if value is not None})
