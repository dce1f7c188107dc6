"""Randomness that can be rolled again: the n-th number depends on the seed and n alone."""

from decimal import Decimal
from hashlib import blake2b

SPAN = 1 << 64


class Dice:
    """Numbers from a seed. `drawn` counts them; with the same seed and count the same numbers follow."""

    def __init__(self, seed: str, drawn: int = 0) -> None:
        self._seed = seed
        self.drawn = drawn

    def below(self, end: int) -> int:
        """A whole number of [0, end). `end` is at least 1."""
        if end < 1:
            raise ValueError(f"nothing lies below {end}")
        return self._next() * end // SPAN

    def share(self) -> Decimal:
        """A number of [0, 1), to 18 decimals."""
        return Decimal(self._next() * 10**18 // SPAN).scaleb(-18)

    def _next(self) -> int:
        digest = blake2b(f"{self._seed}:{self.drawn}".encode(), digest_size=8).digest()
        self.drawn += 1
        return int.from_bytes(digest, "big")
