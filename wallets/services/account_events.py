"""For `execution`: what the venue tells of an account, written into its books."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from market.leases import Claim
from wallets.models import Wallet
from wallets.services.account_event_applier import Facts
from wallets.services.dto import Event, Fact
from wallets.services.submissions import reconcile_want, wallet_of
from wallets.services.unit_of_work import Books
from wallets.services.user_events import wallet_event


def facts_apply(*, claim: Claim, facts: Sequence[Fact]) -> list[Event]:
    """Book what is new. Facts may repeat and come in any order; the same ones again change nothing."""
    with transaction.atomic():
        wallet = wallet_of(claim)
        books = Books(wallet, timezone.now())
        applied = Facts(books)
        applied.apply(facts)
        if applied.wants_reconcile:
            reconcile_want(wallet)
        return books.close()


def wallet_stream_set(*, claim: Claim, stream: str) -> list[Event]:
    """How the wallet's private facts arrive now: live, polled or down."""
    with transaction.atomic():
        wallet = wallet_of(claim)
        if wallet.stream == stream:
            return []
        wallet.stream = Wallet.Stream(stream).value
        wallet.save(update_fields=["stream"])
        return [wallet_event(wallet)]
