from wallets.models.ledger import Balance, LedgerEntry, LedgerTransfer
from wallets.models.orders import Fill, Order, Position, Submission
from wallets.models.vault import SealingKey, WalletSecret
from wallets.models.wallets import HouseControl, TraderControl, Wallet

__all__ = [
    "Balance",
    "Fill",
    "HouseControl",
    "LedgerEntry",
    "LedgerTransfer",
    "Order",
    "Position",
    "SealingKey",
    "Submission",
    "TraderControl",
    "Wallet",
    "WalletSecret",
]
