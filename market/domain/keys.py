"""Trading keys: a key registered for a wallet, and the verdict of a venue about what it may do. Times are in ms."""

from dataclasses import dataclass
from typing import Literal

KeyStatus = Literal["active", "waiting", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """The account of a wallet, the public id of its key, and whether that key has traded for it before."""

    account: str
    key_id: str
    proven: bool


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """Result of a key check. `waiting` leaves the wallet unchanged. `expires_at` and `name`: of an active key."""

    status: KeyStatus
    reason: str = ""
    delete: bool = False  # the key could do more than trade, or trades for another account
    name: str = ""
    expires_at: int | None = None
