"""The accounts of the ledger."""

from enum import StrEnum


class Account(StrEnum):
    """Where an amount of one asset is. What belongs to the trader is `AVAILABLE` + `RESERVED`.

    The others are where it came from or went, with the opposite sign: all of them sum to zero per asset.
    """

    AVAILABLE = "available"
    RESERVED = "reserved"  # promised to open orders
    FEES = "fees"
    FUNDING = "funding"
    REALISED = "realised"  # closed profit of perpetuals
    TRADED = "traded"  # the other side of a spot trade: what was given for what was got
    TRANSFERS = "transfers"  # deposits, withdrawals, sends
    EXTERNAL = "external"  # what was there before us, and residuals that somebody accepted
