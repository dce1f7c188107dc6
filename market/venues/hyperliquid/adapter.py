"""Hyperliquid adapter: facts of the venue for the money path, as a `market.venues.base.VenueAdapter`."""

from decimal import Decimal
from uuid import UUID

from market.domain.instruments import Kind
from market.domain.orders import MarginModel
from market.venues.base import FeeRates, RejectionMeaning, RequestKind, Validity
from market.venues.hyperliquid import responses, simulated_accounts
from market.venues.hyperliquid.credentials import HyperliquidCredentials
from market.venues.hyperliquid.instruments import COLLATERAL

# Every order is sent with `expiresAfter`, which the venue enforces; 3 s for clocks and for the result to be shown.
EXPIRY = Validity("expiry", duration=5_000, settle=3_000)
# Rates by the tier of the trading volume of the last fourteen days, in millionths: perpetuals and spot, maker and
# taker. Source: the venue's "Fees" page. Tiers of stakers and of the maker rebate are not known here.
TIERS: dict[str, dict[Kind, tuple[int, int]]] = {
    "0": {"perp": (150, 450), "spot": (400, 700)},
    "1": {"perp": (120, 400), "spot": (300, 600)},
    "2": {"perp": (80, 350), "spot": (200, 500)},
    "3": {"perp": (40, 300), "spot": (100, 400)},
    "4": {"perp": (0, 280), "spot": (0, 350)},
    "5": {"perp": (0, 260), "spot": (0, 300)},
    "6": {"perp": (0, 240), "spot": (0, 250)},
}
MILLIONTH = Decimal("0.000001")


class HyperliquidAdapter:
    """Facts of Hyperliquid and of its simulator."""

    collateral = COLLATERAL
    margin_model: MarginModel = "split"
    lookup_horizon: int | None = None  # the venue states no limit

    def __init__(self) -> None:
        self.credentials = HyperliquidCredentials()

    def client_order_id(self, order_id: UUID) -> str:
        """`cloid`: 0x and 32 hexadecimal digits."""
        return f"0x{order_id.hex}"

    def validity(self, request: RequestKind) -> Validity:
        return EXPIRY

    def rejection_meaning(self, text: str) -> RejectionMeaning:
        return responses.rejection_meaning(text)

    def fee_rates(self, kind: Kind, tier: str = "") -> FeeRates:
        maker, taker = TIERS.get(tier, TIERS["0"])[kind]
        return FeeRates(maker * MILLIONTH, taker * MILLIONTH)

    async def simulated_account_open(self, amount: Decimal) -> tuple[str, str]:
        return await simulated_accounts.account_open(amount)
