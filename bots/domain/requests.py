"""What somebody asks for when a bot is made, before anybody judged it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class BotRequest:
    """`client_id` was minted by whoever asks: the same id again is the same bot. `budget` is in quote
    units, `inputs` as `bots.sdk.inputs_read` takes them."""

    client_id: UUID
    wallet_id: UUID
    symbol: str
    strategy: str
    budget: Decimal | str
    inputs: Mapping[str, object]
    name: str = ""
    leverage: int = 1
