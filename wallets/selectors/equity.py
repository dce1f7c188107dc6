"""Equity of a wallet now: its collateral and the unrealised PnL of its positions at the mark prices."""

from dataclasses import dataclass
from decimal import Decimal

from market.domain.orders import account_type_of
from market.venues import venue_adapter
from wallets.domain.ledger import LedgerAccount
from wallets.models import Balance, Wallet
from wallets.selectors.wallets import PositionRow, position_rows


@dataclass(frozen=True, slots=True)
class WalletEquity:
    """`cash` is the collateral of perpetuals, reserved included: the part that prices do not change."""

    cash: Decimal
    positions: list[PositionRow]

    @property
    def value(self) -> Decimal | None:
        """None while the mark price of a position is not known."""
        profits = [position.unrealised_pnl for position in self.positions]
        known = [profit for profit in profits if profit is not None]
        return self.cash + sum(known, Decimal(0)) if len(known) == len(profits) else None


def equity_of_wallet(wallet: Wallet) -> WalletEquity:
    adapter = venue_adapter(wallet.venue_id)
    collateral = Balance.objects.filter(
        wallet=wallet,
        account__in=(LedgerAccount.AVAILABLE, LedgerAccount.RESERVED),
        account_type=account_type_of(adapter.margin_model, "perp"),
        asset=adapter.collateral,
    )
    cash = sum(collateral.values_list("amount", flat=True), Decimal(0))
    return WalletEquity(cash, position_rows(wallet.user, wallet_id=wallet.pk))
