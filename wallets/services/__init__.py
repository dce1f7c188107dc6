"""What changes wallets, orders and books. Synchronous; one act is one transaction.

Every transaction that changes orders or books holds the wallet's row (`select_for_update(no_key=True)`,
or `leases.fence`). No venue is called and nothing is signed inside one.
"""

from wallets.services.booking import facts_apply, wallet_stream_set
from wallets.services.cancelling import order_cancel, orders_cancel
from wallets.services.placing import order_place, order_preview, orders_place
from wallets.services.records import (
    Doubt,
    Event,
    Fact,
    LeverageSpec,
    Picture,
    Prepared,
    Preview,
    Reconciled,
)
from wallets.services.submitting import (
    cancels_take,
    doubt_resolved,
    doubtful,
    doubts_due,
    orders_take,
    refused,
    settled,
    unsent,
)

__all__ = [
    "Doubt",
    "Event",
    "Fact",
    "LeverageSpec",
    "Picture",
    "Prepared",
    "Preview",
    "Reconciled",
    "cancels_take",
    "doubt_resolved",
    "doubtful",
    "doubts_due",
    "facts_apply",
    "order_cancel",
    "order_place",
    "order_preview",
    "orders_cancel",
    "orders_place",
    "orders_take",
    "refused",
    "settled",
    "unsent",
    "wallet_stream_set",
]
