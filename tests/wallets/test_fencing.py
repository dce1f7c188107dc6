"""Whoever lost the lease of a wallet changes nothing any more, whatever it still wants to write."""

from decimal import Decimal

import pytest

from market import leases
from market.domain.orders import Accepted
from market.leases import LeaseLost
from wallets import services
from wallets.models import Balance, Fill, LedgerTransfer, Order, Submission, Wallet

NOW = 10**13


def _state(world):
    return services.Picture(
        before=world.state({}),
        since=0,
        open_orders=[],
        fills=[],
        fundings=[],
        movements=[],
        after=world.state({}),
    )


ACTS = {
    "orders_take": lambda world, order, claim: services.orders_take(claim=claim, now=NOW, validity=5_000),
    "cancels_take": lambda world, order, claim: services.cancels_take(claim=claim, now=NOW),
    "leverages_take": lambda world, order, claim: services.leverages_take(
        claim=claim, now=NOW, validity=5_000
    ),
    "settled": lambda world, order, claim: services.settled(
        claim=claim, submission_id=order.submission_id, answers=[Accepted("1")]
    ),
    "refused": lambda world, order, claim: services.refused(
        claim=claim, submission_id=order.submission_id, reason="Too many orders"
    ),
    "unsent": lambda world, order, claim: services.unsent(claim=claim, submission_id=order.submission_id),
    "doubtful": lambda world, order, claim: services.doubtful(claim=claim, submission_id=order.submission_id),
    "doubts_due": lambda world, order, claim: services.doubts_due(claim=claim, now=NOW, margin=0),
    "doubt_resolved": lambda world, order, claim: services.doubt_resolved(
        claim=claim, order_id=order.pk, found=None, now=NOW
    ),
    "facts_apply": lambda world, order, claim: services.facts_apply(claim=claim, facts=[world.funding("1")]),
    "account_reconcile": lambda world, order, claim: services.account_reconcile(
        claim=claim, picture=_state(world)
    ),
    "wallet_stream_set": lambda world, order, claim: services.wallet_stream_set(claim=claim, stream="live"),
}


def everything():
    tables = (Wallet, Order, Submission, Fill, LedgerTransfer, Balance)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("how", ["taken over", "ended"])
def test_a_stale_claim_changes_nothing(world, act, how):
    order = world.place(size=Decimal("0.01"))
    world.take()
    order = world.again(order)
    stale = world.claim
    owner = Wallet.objects.get().owner_id
    leases.worker_release(owner)
    if how == "taken over":
        rival = leases.worker_register(channel="wallets-execution")
        assert leases.claim(Wallet, rival)
    before = everything()
    with pytest.raises(LeaseLost):
        act(world, order, stale)
    assert everything() == before
