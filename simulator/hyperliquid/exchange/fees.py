"""Rule profiles, and the fee schedule by the trading volume of the last fourteen days."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.fixed_point import divided


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

MILLION = 1_000_000
DAY = 86_400_000
WINDOW_DAYS = 14


class Tier(NamedTuple):
    """Fee tier from `volume` USDC on: taker (`cross`) and maker (`add`) rates of perpetuals and of spot pairs."""

    volume: int
    cross: int
    add: int
    spot_cross: int
    spot_add: int


TIERS = (
    Tier(0, 450, 150, 700, 400),
    Tier(5_000_000, 400, 120, 600, 300),
    Tier(25_000_000, 350, 80, 500, 200),
    Tier(100_000_000, 300, 40, 400, 100),
    Tier(500_000_000, 280, 0, 350, 0),
    Tier(2_000_000_000, 260, 0, 300, 0),
    Tier(7_000_000_000, 240, 0, 250, 0),
)


def day_of(now: int) -> str:
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


def volume_add(account: Account, notional: int, now: int, *, taker: bool) -> None:
    """Add traded volume; `notional` in millionths. Days before the window are dropped."""
    day = account.days.setdefault(day_of(now), [0, 0])
    day[0 if taker else 1] += notional
    account.volume += notional
    oldest = day_of(now - WINDOW_DAYS * DAY)
    account.days = {date: row for date, row in account.days.items() if date >= oldest}


def tier_of(account: Account) -> Tier:
    volume = sum(sum(row) for row in account.days.values()) // MILLION
    return next(tier for tier in reversed(TIERS) if volume >= tier.volume)


def fee_rate(account: Account, *, spot: bool, taker: bool) -> int:
    tier = tier_of(account)
    if spot:
        return tier.spot_cross if taker else tier.spot_add
    return tier.cross if taker else tier.add


def fee_of(amount: int, rate: int) -> int:
    return divided(amount * rate, MILLION)


def builder_fee_of(amount: int, tenths: int) -> int:
    """Builder fee of `amount`; the rate is in tenths of a basis point."""
    return divided(amount * tenths, 100_000)
