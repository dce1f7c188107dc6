"""Account events: the execution worker's services that store a venue's account events and stream status."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from core.leases import Claim
from wallets.models import Wallet
from wallets.services.account_event_applier import AccountEventApplier
from wallets.services.dto import AccountEvent, Event
from wallets.services.submissions import fenced_wallet, reconcile_request
from wallets.services.unit_of_work import WalletUnitOfWork
from wallets.services.user_events import wallet_event


def account_events_apply(*, claim: Claim, events: Sequence[AccountEvent]) -> list[Event]:
    """Apply account events (orders, fills, funding, transfers). Repeats and any order are allowed."""
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        books = WalletUnitOfWork(wallet, timezone.now())
        applier = AccountEventApplier(books)
        applier.apply(events)
        if applier.needs_reconcile:
            reconcile_request(wallet)
        return books.commit()


def wallet_stream_set(*, claim: Claim, stream: str) -> list[Event]:
    """Store how the wallet's account events arrive: live, polled or down."""
    with transaction.atomic():
        wallet = fenced_wallet(claim)
        if wallet.stream_status == stream:
            return []
        wallet.stream_status = Wallet.Stream(stream).value
        wallet.save(update_fields=["stream_status"])
        return [wallet_event(wallet)]
