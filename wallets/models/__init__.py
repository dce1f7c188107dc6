from wallets.models.ledger import Balance, LedgerEntry, LedgerTransaction
from wallets.models.orders import Fill, Order, Position, Submission
from wallets.models.vault import SealingKey, WalletSecret
from wallets.models.wallets import GlobalTradingControl, UserTradingControl, Wallet

__all__ = [
    "Balance",
    "Fill",
    "GlobalTradingControl",
    "LedgerEntry",
    "LedgerTransaction",
    "Order",
    "Position",
    "SealingKey",
    "Submission",
    "UserTradingControl",
    "Wallet",
    "WalletSecret",
]
