"""Request to create a bot, as it arrives, before validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BotRequest:
    """Data for a new bot. `client_id` comes from the client and makes the request idempotent: the same id
    again is the same bot. `budget` is in quote units, `inputs` as `bots.sdk.parse_inputs` takes them."""

    client_id: UUID
    wallet_id: UUID
    symbol: str
    strategy: str
    budget: Decimal | str
    inputs: Mapping[str, object]
    name: str = ""
    leverage: int = 1
