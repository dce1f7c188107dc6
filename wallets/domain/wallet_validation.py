"""What people say about a wallet of theirs, read and bounded."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from wallets.domain.errors import WalletInvalid

MOST_WALLETS = 20
LONGEST_LABEL = 60
MOST_MONEY = Decimal(10) ** 15
MOST_LEVERAGE = 100
MOST_ORDERS = 6_000
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")


def label_parse(text: str) -> str:
    label = " ".join(text.split())
    if not 1 <= len(label) <= LONGEST_LABEL:
        raise WalletInvalid("label", f"Between 1 and {LONGEST_LABEL} characters.")
    return label


def address_parse(text: str) -> str:
    """In lower case: the venue tells the two spellings of one account apart no more than we do."""
    address = text.strip().lower()
    if not _ADDRESS.fullmatch(address):
        raise WalletInvalid("address", "An address is 0x and 40 hexadecimal digits.")
    return address


# --- limits --------------------------------------------------------------------------------------------
def limits_parse(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Each named limit as it is stored; None means the house's own. Raises `WalletInvalid`."""
    unknown = asked.keys() - LIMITS.keys()
    if unknown:
        raise WalletInvalid(min(unknown), "There is no such limit.")
    return {name: None if value is None else LIMITS[name](name, value) for name, value in asked.items()}


def _money(name: str, value: Any) -> Decimal:
    return _decimal(name, value, MOST_MONEY, 18)


def _percent(name: str, value: Any) -> Decimal:
    return _decimal(name, value, Decimal(100), 2)


def _decimal(name: str, value: Any, most: Decimal, decimals: int) -> Decimal:
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 < value <= most:
        raise WalletInvalid(name, f"A number above 0 and at most {most:f}.")
    if value != round(value, decimals):
        raise WalletInvalid(name, f"At most {decimals} decimals.")
    return value


def _whole(most: int) -> Callable[[str, Any], int]:
    def parse(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise WalletInvalid(name, f"A whole number between 1 and {most}.")
        return value

    return parse


LIMITS: dict[str, Callable[[str, Any], Any]] = {
    "max_order_notional": _money,
    "max_day_notional": _money,
    "max_position_notional": _money,
    "max_leverage": _whole(MOST_LEVERAGE),
    "price_band_percent": _percent,
    "orders_per_minute": _whole(MOST_ORDERS),
}
