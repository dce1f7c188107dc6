"""Deterministic random numbers: the n-th number depends only on the seed and n."""

from decimal import Decimal
from hashlib import blake2b

SPAN = 1 << 64


class SeededRandom:
    """Seeded random number generator. `drawn` counts the numbers; equal seed and count give equal numbers."""

    def __init__(self, seed: str, drawn: int = 0) -> None:
        self._seed = seed
        self.drawn = drawn

    def randrange(self, end: int) -> int:
        """A random integer in [0, end). Raises ValueError for `end` < 1."""
        if end < 1:
            raise ValueError(f"end must be at least 1, not {end}")
        return self._next() * end // SPAN

    def uniform(self) -> Decimal:
        """A random number in [0, 1), with 18 decimals."""
        return Decimal(self._next() * 10**18 // SPAN).scaleb(-18)

    def _next(self) -> int:
        digest = blake2b(f"{self._seed}:{self.drawn}".encode(), digest_size=8).digest()
        self.drawn += 1
        return int.from_bytes(digest, "big")
