"""Wallet cards: balances, status, key expiry and the used part of the limits of one wallet."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

from market.venues import venue_adapter
from wallets.domain.risk_context import TradingLimits
from wallets.domain.status import TradingState
from wallets.models import Wallet
from wallets.selectors.equity import WalletEquity, equity_of_wallet
from wallets.selectors.risk_context import day_notional, limits_of, trading_state
from wallets.selectors.wallets import BalanceRow, balances_of

if TYPE_CHECKING:
    from wallets.selectors.risk_context import WalletWithStates

WARN_BEFORE = timedelta(days=14)
# Trading state and status → the status style and its text.
STATES = {
    TradingState.ACTIVE: ("live", "Trading"),
    TradingState.REDUCING: ("late", "Reduce-only"),
    TradingState.HALTED: ("halted", "Halted"),
}
STATUSES = {
    Wallet.Status.KEY_PENDING: ("idle", "Generating key"),
    Wallet.Status.APPROVAL_PENDING: ("late", "Waiting for approval"),
    Wallet.Status.CHECKING: ("idle", "Checking key"),
    Wallet.Status.REJECTED: ("down", "Rejected"),
    Wallet.Status.EXPIRED: ("down", "Key expired"),
    Wallet.Status.ARCHIVED: ("off", "Archived"),
}


@dataclass(frozen=True, slots=True)
class WalletCard:
    """A wallet as shown on a card. `day_used`: notional traded or open within 24 hours, in quote units."""

    wallet: Wallet
    state: TradingState
    equity: WalletEquity
    balances: list[BalanceRow]
    limits: TradingLimits
    day_used: Decimal
    expiring: bool
    status_style: str
    status_text: str
    asset: str  # of the limits and the daily notional


def card_of(wallet: "WalletWithStates") -> WalletCard:
    """The card of a wallet row from `wallets_of` or `wallet_get`."""
    now = timezone.now()
    state, expiring = trading_state(wallet), _expires_soon(wallet, now)
    style, text = STATUSES.get(Wallet.Status(wallet.status)) or STATES[state]
    if (style, expiring) == ("live", True):
        style, text = "late", "Key expires soon"
    return WalletCard(
        wallet=wallet,
        state=state,
        equity=equity_of_wallet(wallet),
        balances=balances_of(wallet),
        limits=limits_of(wallet),
        day_used=day_notional(wallet, now),
        expiring=expiring,
        status_style=style,
        status_text=text,
        asset=venue_adapter(wallet.venue_id).collateral,
    )


def _expires_soon(wallet: Wallet, now: datetime) -> bool:
    return wallet.signer_expires_at is not None and wallet.signer_expires_at - now <= WARN_BEFORE
