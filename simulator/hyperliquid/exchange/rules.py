"""Rule profiles: switches between the venue's documented rules and lenient rules for local use."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rules:
    """Switchable rules; in USDC unless noted; None or 0 switches a rule off.

    `partial_ack` is the response to a partially filled GTC order; the venue does not document it.
    `strict_source` accepts signatures for one network only.
    """

    schedule_cancel_volume: int = 0
    sub_account_volume: int = 0
    address_requests: bool = False
    minimum: int = 10
    activation_fee: int = 0
    withdraw_fee: int = 1
    partial_ack: Literal["filled", "resting"] = "filled"
    open_orders: int = 1000
    max_open_orders: int = 5000
    strict_source: Literal["a", "b"] | None = None
    oracle_band: int = 95  # per cent


LENIENT_RULES = Rules()
DOCUMENTED_RULES = Rules(
    schedule_cancel_volume=1_000_000,
    sub_account_volume=100_000,
    address_requests=True,
    activation_fee=1,
)
RULES = {"documented": DOCUMENTED_RULES, "lenient": LENIENT_RULES}
