"""A wallet on one card: what it holds, what its key may, and how much of its limits is used."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from wallets.domain.risk_context import Limits
from wallets.domain.status import TradingState
from wallets.models import Wallet
from wallets.selectors.risk_context import day_notional, limits_of, trading_state
from wallets.selectors.wallets import Money, balances_of

WARN_BEFORE = timedelta(days=14)
# Status and trading state → the shape that says how it is, and the words beside it.
STATES = {
    TradingState.ACTIVE: ("live", "Trading"),
    TradingState.REDUCING: ("late", "Only reducing"),
    TradingState.HALTED: ("halted", "Halted"),
}
STATUSES = {
    Wallet.Status.KEY_WANTED: ("idle", "Making a key"),
    Wallet.Status.APPROVAL_WANTED: ("late", "Waiting for you"),
    Wallet.Status.CHECKING: ("idle", "Being checked"),
    Wallet.Status.REFUSED: ("down", "Refused"),
    Wallet.Status.EXPIRED: ("down", "Key ended"),
    Wallet.Status.ARCHIVED: ("off", "Archived"),
}


@dataclass(frozen=True, slots=True)
class WalletCard:
    """`day_used`: notional traded or open within a day, in quote units."""

    wallet: Wallet
    state: TradingState
    balances: list[Money]
    limits: Limits
    day_used: Decimal
    expiring: bool
    shape: str
    words: str
    asset: str = "USDC"


def card_of(wallet: Wallet) -> WalletCard:
    """Of a wallet that `wallets_of` or `wallet_get` gave."""
    now = timezone.now()
    state, expiring = trading_state(wallet), _expires_soon(wallet, now)
    shape, words = STATUSES.get(Wallet.Status(wallet.status)) or STATES[state]
    if (shape, expiring) == ("live", True):
        shape, words = "late", "Key expires soon"
    return WalletCard(
        wallet=wallet,
        state=state,
        balances=balances_of(wallet),
        limits=limits_of(wallet),
        day_used=day_notional(wallet, now),
        expiring=expiring,
        shape=shape,
        words=words,
    )


def _expires_soon(wallet: Wallet, now: datetime) -> bool:
    return wallet.signer_expires_at is not None and wallet.signer_expires_at - now <= WARN_BEFORE
