"""Instrument universe: names, tick and lot rules as on the venue, and price model parameters of each market.

Indices never shift: delisted instruments keep their index, as on the venue.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from simulator.markets.numbers import FIGURES, decimal_text

USDC = 0
FIRST_SPOT_ASSET = 10_000


@dataclass(frozen=True)
class Listing:
    """One instrument. `price` is the centre of its random walk, in USDC.

    `daily` is traded USDC a day, `rate` trades a second, `sigma` the daily deviation of its own
    movements and `beta` the share of the common one. `spread` is in ticks. `tracks` is the perpetual
    with the price that a spot pair follows.
    """

    coin: str
    size_decimals: int
    leverage: int
    price: float
    daily: float
    rate: float = 0.5
    sigma: float = 0.025
    beta: float = 1.0
    spread: int = 1
    spot_index: int | None = None
    tokens: tuple[str, int, int] | None = None  # name, index and wei decimals of a spot pair's base
    tracks: str | None = None
    delisted: bool = False

    @property
    def is_spot(self) -> bool:
        return self.spot_index is not None

    @cached_property
    def price_decimals(self) -> int:
        """Decimals of the finest price; the integer price unit is 10 ** -price_decimals."""
        return (8 if self.is_spot else 6) - self.size_decimals

    def tick_at(self, units: int) -> int:
        """Distance in units between valid prices near `units`: 5 figures, but whole numbers always."""
        tick: int = 10 ** min(max(0, len(str(units)) - FIGURES), self.price_decimals)
        return tick

    def floor(self, units: int) -> int:
        """The highest valid price at or below `units`."""
        return units - units % self.tick_at(units)

    def ceil(self, units: int) -> int:
        """The lowest valid price at or above `units`."""
        tick = self.tick_at(units)
        return units + -units % tick

    def price_text(self, units: int) -> str:
        return decimal_text(units, self.price_decimals)

    def size_text(self, lots: int) -> str:
        return decimal_text(lots, self.size_decimals)

    def units(self, price: float) -> int:
        """A price in units; exact for any price in the venue's format."""
        scale: int = 10**self.price_decimals
        return max(1, round(price * scale))

    def notional(self, units: int, lots: int) -> float:
        """Notional in USDC as a float, for statistics."""
        return units * lots / float(10 ** (self.price_decimals + self.size_decimals))


def _delisted(coin: str, size_decimals: int, price: float) -> Listing:
    return Listing(coin, size_decimals, 3, price, 0.0, delisted=True)


M = 1e6
PERPS = (
    Listing("BTC", 5, 40, 92_000.0, 2_800 * M, rate=4.0, sigma=0.008, beta=0.8),
    Listing("ETH", 4, 25, 3_050.0, 1_500 * M, rate=3.0, sigma=0.014, beta=1.1),
    Listing("ATOM", 2, 5, 2.45, 3 * M, rate=0.3, sigma=0.022),
    _delisted("MATIC", 1, 0.38),
    Listing("DYDX", 1, 5, 0.235, 2 * M, rate=0.3, sigma=0.03),
    Listing("SOL", 2, 20, 140.0, 700 * M, rate=2.5, sigma=0.018, beta=1.2),
    Listing("AVAX", 2, 10, 14.6, 25 * M, rate=0.6, sigma=0.02, beta=1.2),
    Listing("BNB", 3, 10, 905.0, 40 * M, rate=0.6, sigma=0.012, beta=0.9),
    Listing("APE", 1, 3, 0.262, 1 * M, rate=0.25, sigma=0.03, spread=2),
    Listing("OP", 1, 5, 0.33, 4 * M, rate=0.3, sigma=0.025, beta=1.3),
    Listing("LTC", 2, 10, 86.0, 12 * M, rate=0.4, sigma=0.016),
    Listing("ARB", 1, 10, 0.215, 9 * M, rate=0.4, sigma=0.022, beta=1.3),
    Listing("DOGE", 0, 10, 0.156, 120 * M, rate=1.2, sigma=0.02, beta=1.2),
    Listing("INJ", 1, 10, 6.1, 5 * M, rate=0.3, sigma=0.025, spread=2),
    Listing("SUI", 1, 10, 1.62, 60 * M, rate=0.9, sigma=0.022, beta=1.3),
    Listing("kPEPE", 0, 10, 0.004_72, 45 * M, rate=0.8, sigma=0.028, beta=1.4),
    Listing("CRV", 1, 5, 0.41, 6 * M, rate=0.3, sigma=0.026),
    Listing("LDO", 1, 5, 0.66, 4 * M, rate=0.3, sigma=0.026),
    Listing("LINK", 1, 10, 13.4, 30 * M, rate=0.6, sigma=0.02, beta=1.1),
    Listing("STX", 1, 5, 0.31, 2 * M, rate=0.25, sigma=0.026),
    _delisted("RNDR", 1, 7.1),
    Listing("CFX", 0, 3, 0.079, 2 * M, rate=0.25, sigma=0.03, spread=2),
    _delisted("FTM", 0, 0.7),
    Listing("GMX", 2, 3, 8.7, 1 * M, rate=0.25, sigma=0.024, spread=3),
    Listing("SNX", 1, 3, 0.61, 1 * M, rate=0.25, sigma=0.032, spread=3),
    Listing("XRP", 0, 20, 2.15, 260 * M, rate=1.6, sigma=0.018),
    Listing("BCH", 3, 10, 545.0, 10 * M, rate=0.4, sigma=0.016),
    Listing("APT", 2, 10, 2.35, 6 * M, rate=0.3, sigma=0.024, beta=1.2),
    Listing("AAVE", 2, 10, 182.0, 30 * M, rate=0.5, sigma=0.022, beta=1.2),
    Listing("TIA", 1, 5, 0.64, 6 * M, rate=0.3, sigma=0.03, beta=1.2),
    Listing("SEI", 0, 10, 0.142, 7 * M, rate=0.3, sigma=0.026, beta=1.2),
    Listing("TRX", 0, 10, 0.281, 8 * M, rate=0.35, sigma=0.009, beta=0.4),
    Listing("NEAR", 1, 10, 1.93, 18 * M, rate=0.5, sigma=0.028),
    Listing("ADA", 0, 10, 0.431, 35 * M, rate=0.6, sigma=0.02, beta=1.1),
    Listing("DOT", 1, 10, 2.31, 8 * M, rate=0.3, sigma=0.02, beta=1.1),
    Listing("UNI", 1, 10, 6.2, 14 * M, rate=0.4, sigma=0.025),
    Listing("ZEC", 2, 10, 512.0, 320 * M, rate=1.6, sigma=0.055, beta=0.6),
    Listing("HYPE", 2, 10, 34.5, 450 * M, rate=2.2, sigma=0.028, beta=1.1),
    Listing("ENA", 0, 10, 0.262, 30 * M, rate=0.6, sigma=0.034, beta=1.3),
    Listing("WLD", 1, 10, 0.63, 12 * M, rate=0.4, sigma=0.03, beta=1.2),
    Listing("TRUMP", 1, 10, 6.3, 9 * M, rate=0.35, sigma=0.026),
    Listing("FARTCOIN", 1, 10, 0.29, 28 * M, rate=0.6, sigma=0.045, beta=1.5),
    Listing("PENGU", 0, 5, 0.0117, 20 * M, rate=0.5, sigma=0.038, beta=1.4),
    Listing("ONDO", 0, 10, 0.49, 7 * M, rate=0.3, sigma=0.024, beta=1.1),
)
SPOT = (
    Listing("PURR/USDC", 0, 1, 0.0985, 0.9 * M, rate=0.25, sigma=0.03, spread=4, spot_index=0,
            tokens=("PURR", 1, 5)),
    Listing("@107", 2, 1, 34.5, 90 * M, rate=0.9, spread=2, spot_index=107, tokens=("HYPE", 150, 8),
            tracks="HYPE"),
    Listing("@142", 5, 1, 92_000.0, 60 * M, rate=0.6, spot_index=142, tokens=("UBTC", 197, 10),
            tracks="BTC"),
    Listing("@151", 4, 1, 3_050.0, 45 * M, rate=0.6, spread=2, spot_index=151, tokens=("UETH", 221, 9),
            tracks="ETH"),
)  # fmt: skip
UNIVERSE = PERPS + SPOT

# Above `lowerBound` USDC of position the maximum leverage falls; an id below 50 is a table of one such tier.
MARGIN_TABLES = {
    "BTC": (56, "tiered 40x", ((0, 40), (150_000_000, 20))),
    "ETH": (55, "tiered 25x", ((0, 25), (100_000_000, 15))),
    "SOL": (54, "tiered 20x", ((0, 20), (70_000_000, 10))),
    "XRP": (53, "tiered 20x (2)", ((0, 20), (40_000_000, 10))),
}


def _perp(listing: Listing) -> dict[str, Any]:
    row = {
        "name": listing.coin,
        "szDecimals": listing.size_decimals,
        "maxLeverage": listing.leverage,
        "marginTableId": MARGIN_TABLES.get(listing.coin, (listing.leverage,))[0],
    }
    return row | ({"isDelisted": True} if listing.delisted else {})


def meta(listings: Iterable[Listing]) -> dict[str, Any]:
    """The response to `meta`."""
    perps = [listing for listing in listings if not listing.is_spot]
    tables = [
        [
            number,
            {
                "description": description,
                "marginTiers": [
                    {"lowerBound": f"{lower}.0", "maxLeverage": max_leverage} for lower, max_leverage in tiers
                ],
            },
        ]
        for number, description, tiers in (
            MARGIN_TABLES[listing.coin] for listing in perps if listing.coin in MARGIN_TABLES
        )
    ]
    return {
        "universe": [_perp(listing) for listing in perps],
        "marginTables": tables,
        "collateralToken": USDC,
    }


def _token(
    index: int, name: str, size_decimals: int, wei_decimals: int, *, canonical: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "szDecimals": size_decimals,
        "weiDecimals": wei_decimals,
        "index": index,
        "tokenId": f"0x{(index + 1) * 0x6D1E7CDE53BA9467B783CB7C530CE054 % (1 << 128):032x}",
        "isCanonical": canonical,
        "evmContract": None,
        "fullName": None,
        "deployerTradingFeeShare": "0.0",
    }


def spot_meta(listings: Iterable[Listing]) -> dict[str, Any]:
    """The response to `spotMeta`.

    Clients look tokens up by position as well as by index, so unused indexes are filled with placeholders.
    """
    pairs = [listing for listing in listings if listing.is_spot]
    by_index = {USDC: _token(USDC, "USDC", 8, 8, canonical=True)}
    for listing in pairs:
        name, index, wei = listing.tokens or ("", 0, 0)
        by_index[index] = _token(index, name, listing.size_decimals, wei, canonical=index <= 1)
    tokens = [
        by_index.get(index) or _token(index, f"TOKEN{index}", 2, 8, canonical=False)
        for index in range(max(by_index) + 1)
    ]
    universe = [
        {
            "tokens": [(listing.tokens or ("", 0, 0))[1], USDC],
            "name": listing.coin,
            "index": listing.spot_index,
            "isCanonical": "/" in listing.coin,
        }
        for listing in pairs
    ]
    return {"universe": universe, "tokens": tokens}
