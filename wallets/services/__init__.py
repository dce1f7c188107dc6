"""What changes wallets, orders and books. Synchronous; one act is one transaction.

Every transaction that changes orders or books holds the wallet's row (`select_for_update(no_key=True)`,
or `leases.fence`). No venue is called and nothing is signed inside one.
"""

from wallets.domain.errors import (
    NotFound,
    OrderConflict,
    OrderDenied,
    OrderInvalid,
    WalletInvalid,
    WalletRefused,
)
from wallets.services.account_events import facts_apply, wallet_stream_set
from wallets.services.bot_orders import Ask, asks_carry_out, wallet_hold
from wallets.services.controls import trading_state_set
from wallets.services.dto import Doubt, Event, Fact, LeverageSpec, Picture, Prepared, Preview, Reconciled
from wallets.services.in_flight import doubt_resolved, doubts_due
from wallets.services.key_verification import key_generate, key_judged, key_question
from wallets.services.leverage import leverage_set, leverages_take
from wallets.services.nudges import sources_nudge
from wallets.services.order_cancels import order_cancel, orders_cancel
from wallets.services.orders import order_modify, order_place, order_preview, orders_place
from wallets.services.reconciliation import account_reconcile
from wallets.services.simulator_accounts import simulated_account_open
from wallets.services.submissions import cancels_take, doubtful, orders_take, refused, settled, unsent
from wallets.services.wallets import (
    wallet_archive,
    wallet_create,
    wallet_key_replace,
    wallet_limits_set,
    wallet_rename,
)

__all__ = [
    "Ask",
    "Doubt",
    "Event",
    "Fact",
    "LeverageSpec",
    "NotFound",
    "OrderConflict",
    "OrderDenied",
    "OrderInvalid",
    "Picture",
    "Prepared",
    "Preview",
    "Reconciled",
    "WalletInvalid",
    "WalletRefused",
    "account_reconcile",
    "asks_carry_out",
    "cancels_take",
    "doubt_resolved",
    "doubtful",
    "doubts_due",
    "facts_apply",
    "key_generate",
    "key_judged",
    "key_question",
    "leverage_set",
    "leverages_take",
    "order_cancel",
    "order_modify",
    "order_place",
    "order_preview",
    "orders_cancel",
    "orders_place",
    "orders_take",
    "refused",
    "settled",
    "simulated_account_open",
    "sources_nudge",
    "trading_state_set",
    "unsent",
    "wallet_archive",
    "wallet_create",
    "wallet_hold",
    "wallet_key_replace",
    "wallet_limits_set",
    "wallet_rename",
    "wallet_stream_set",
]
