"""Write services for wallets, orders and ledger. Synchronous; one call is one transaction.

Every transaction that changes orders or ledger locks the wallet's row (`select_for_update(no_key=True)`, or
`leases.fence`). Inside a transaction no venue is called and nothing is signed.
"""

from wallets.domain.errors import (
    NotFound,
    OrderConflict,
    OrderDenied,
    OrderInvalid,
    WalletInvalid,
    WalletRejected,
)
from wallets.services.account_events import account_events_apply, wallet_stream_set
from wallets.services.bot_orders import OrderCommand, order_commands_execute, wallet_lock
from wallets.services.controls import trading_state_set
from wallets.services.dto import (
    AccountEvent,
    Event,
    InFlightOrder,
    LeverageSpec,
    PreparedSubmission,
    Preview,
    ReconcileResult,
    VenueSnapshot,
)
from wallets.services.in_flight import in_flight_due, in_flight_resolve
from wallets.services.key_verification import key_check_prepare, key_check_store, key_generate
from wallets.services.leverage import leverage_prepare, leverage_set
from wallets.services.nudges import supervisor_nudge
from wallets.services.order_cancels import order_cancel, orders_cancel
from wallets.services.orders import order_modify, order_place, order_preview, orders_place
from wallets.services.reconciliation import account_reconcile
from wallets.services.simulator_accounts import simulated_account_open
from wallets.services.submissions import (
    cancels_prepare,
    orders_prepare,
    submission_answered,
    submission_not_sent,
    submission_rejected,
    submission_unknown,
)
from wallets.services.wallets import (
    wallet_archive,
    wallet_create,
    wallet_key_replace,
    wallet_limits_set,
    wallet_rename,
)

__all__ = [
    "AccountEvent",
    "Event",
    "InFlightOrder",
    "LeverageSpec",
    "NotFound",
    "OrderCommand",
    "OrderConflict",
    "OrderDenied",
    "OrderInvalid",
    "PreparedSubmission",
    "Preview",
    "ReconcileResult",
    "VenueSnapshot",
    "WalletInvalid",
    "WalletRejected",
    "account_events_apply",
    "account_reconcile",
    "cancels_prepare",
    "in_flight_due",
    "in_flight_resolve",
    "key_check_prepare",
    "key_check_store",
    "key_generate",
    "leverage_prepare",
    "leverage_set",
    "order_cancel",
    "order_commands_execute",
    "order_modify",
    "order_place",
    "order_preview",
    "orders_cancel",
    "orders_place",
    "orders_prepare",
    "simulated_account_open",
    "submission_answered",
    "submission_not_sent",
    "submission_rejected",
    "submission_unknown",
    "supervisor_nudge",
    "trading_state_set",
    "wallet_archive",
    "wallet_create",
    "wallet_key_replace",
    "wallet_limits_set",
    "wallet_lock",
    "wallet_rename",
    "wallet_stream_set",
]
