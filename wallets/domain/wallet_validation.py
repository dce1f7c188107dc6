"""Wallet validation: parses and bounds label and trading limits."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from wallets.domain.errors import WalletInvalid

MAX_WALLETS = 20
MAX_LABEL_LENGTH = 60
MAX_AMOUNT = Decimal(10) ** 15
MAX_LEVERAGE = 100
MAX_ORDERS = 6_000


def label_parse(text: str) -> str:
    label = " ".join(text.split())
    if not 1 <= len(label) <= MAX_LABEL_LENGTH:
        raise WalletInvalid("label", f"Enter 1 to {MAX_LABEL_LENGTH} characters.")
    return label


# --- limits -------------------------------------------------------------------------------------------
def limits_parse(values: Mapping[str, Any]) -> dict[str, Any]:
    """Each given limit as stored; None means the server's default. Raises `WalletInvalid`."""
    unknown = values.keys() - LIMITS.keys()
    if unknown:
        raise WalletInvalid(min(unknown), "Unknown limit.")
    return {name: None if value is None else LIMITS[name](name, value) for name, value in values.items()}


def _money(name: str, value: object) -> Decimal:
    return _decimal(name, value, MAX_AMOUNT, 18)


def _percent(name: str, value: object) -> Decimal:
    return _decimal(name, value, Decimal(100), 2)


def _decimal(name: str, value: object, most: Decimal, decimals: int) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 < value <= most:
        raise WalletInvalid(name, f"Enter a number greater than 0, at most {most:f}.")
    if value != round(value, decimals):
        raise WalletInvalid(name, f"At most {decimals} decimals.")
    return value


def _integer(most: int) -> Callable[[str, Any], int]:
    def parse(name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise WalletInvalid(name, f"Enter a whole number from 1 to {most}.")
        return value

    return parse


LIMITS: dict[str, Callable[[str, Any], Any]] = {
    "max_order_notional": _money,
    "max_daily_notional": _money,
    "max_position_notional": _money,
    "max_leverage": _integer(MAX_LEVERAGE),
    "price_band_percent": _percent,
    "orders_per_minute": _integer(MAX_ORDERS),
}
