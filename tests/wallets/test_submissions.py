"""Submissions: prepared actions and their results; and that a stale lease changes nothing."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from django.db.models import Max

from core import leases
from core.leases import LeaseLost
from core.models import Worker
from market.domain.keys import KeyVerdict, RegisteredKey
from market.domain.orders import Accepted, Rejected
from market.venues.base import Validity
from market.venues.hyperliquid.adapter import HyperliquidAdapter
from tests.wallets.factories import MARGIN, PERP, VALIDITY, TradingEnv
from wallets import services
from wallets.models import LedgerEntry, Order, Submission, Wallet
from wallets.services.key_verification import KeyCheck
from wallets.vault import Unsealer

pytestmark = pytest.mark.django_db


def answered(world, prepared, *answers):
    return services.submission_answered(
        claim=world.claim, submission_id=prepared.submission_id, answers=answers
    )


def due(world, later=VALIDITY + MARGIN + 1):
    return services.in_flight_due(claim=world.claim, now=world.now + later, margin=MARGIN)


def resolve(world, order, found=None, *, now=None):
    return services.in_flight_resolve(claim=world.claim, order_id=order.pk, found=found, now=now or world.now)


# --- preparing ----------------------------------------------------------------------------------------
def test_nonce_and_validity_are_written_down_before_anything_is_sent(world):
    order = world.place()
    (prepared,) = world.take()
    row = Submission.objects.get(pk=prepared.submission_id)
    assert (row.nonce, row.valid_until, row.outcome) == (world.now, world.now + VALIDITY, "in_flight")
    assert (prepared.nonce, prepared.valid_until) == (row.nonce, row.valid_until)
    assert world.again(order).status == "submitting"
    (spec,) = prepared.orders
    assert (spec.client_id, spec.price, spec.size) == (order.venue_client_id, order.price, order.size)


def test_what_was_taken_is_not_taken_again(world):
    world.place()
    assert len(world.take()) == 1
    assert world.take() == []


def test_nonces_rise_even_when_the_clock_falls_back(world):
    world.place()
    (first,) = world.take()
    world.now -= 60_000
    world.place()
    (second,) = world.take()
    assert second.nonce == first.nonce + 1


def test_post_only_orders_travel_apart(world):
    alo, plain = world.place(tif="alo"), world.place()
    first, second = world.take()
    assert (first.order_ids, second.order_ids) == ([alo.pk], [plain.pk])
    assert first.nonce < second.nonce


def test_no_more_than_asked_for_the_oldest_first(world):
    orders = [world.place() for _ in range(3)]
    (prepared,) = world.take(most=2)
    assert prepared.order_ids == [order.pk for order in orders[:2]]


def test_what_waited_too_long_is_never_sent(world):
    order = world.place()
    world.now += 11 * 60_000
    assert world.take() == []
    order = world.again(order)
    assert (order.status, order.code, order.reserved) == ("expired", "expired", 0)
    assert world.held() == 10_000


def test_a_market_order_waits_half_a_minute_at_most(world):
    order = world.place(kind="market", price=None)
    world.now += 45_000
    assert world.take() == []
    assert world.again(order).status == "expired"


@pytest.mark.parametrize("status", ["expired", "checking", "archived"])
def test_a_wallet_without_a_working_key_sends_nothing(world, status):
    order = world.place()
    Wallet.objects.update(status=status)
    assert world.take() == []
    assert world.again(order).status == "pending"


@pytest.mark.parametrize(("state", "code"), [("halted", "halted"), ("reducing", "reducing")])
def test_what_waits_is_denied_when_the_switch_turns(world, state, code):
    order = world.place()
    Wallet.objects.update(trading_state=state)
    assert world.take() == []
    order = world.again(order)
    assert (order.status, order.code, order.reserved) == ("denied", code, 0)


def test_a_reduce_only_order_goes_out_while_reducing(world):
    world.tell(world.fill(world.open(), fee=Decimal(0)))
    order = world.place(side="sell", reduce_only=True, price=51_000)
    Wallet.objects.update(trading_state="reducing")
    (prepared,) = world.take()
    assert prepared.order_ids == [order.pk]


# --- responses ----------------------------------------------------------------------------------------
def test_a_rejection_ends_the_order_and_gives_its_funds_back(world):
    order = world.place()
    (prepared,) = world.take()
    answered(world, prepared, Rejected("Insufficient margin to place order.", "perpMarginRejected"))
    order = world.again(order)
    assert (order.status, order.code) == ("rejected", "perpMarginRejected")
    assert order.message == "Insufficient margin to place order."
    assert (world.held("reserved"), world.held()) == (0, 10_000)


def test_an_answer_that_comes_twice_changes_nothing(world):
    world.place()
    (prepared,) = world.take()
    assert answered(world, prepared, Accepted("1"))
    before = LedgerEntry.objects.count()
    assert answered(world, prepared, Rejected("no")) == []
    assert LedgerEntry.objects.count() == before
    assert Order.objects.get(venue_order_id="1").status == "open"


def test_answers_belong_to_their_orders(world):
    first, second = world.place(), world.place()
    (prepared,) = world.take()
    answered(world, prepared, Accepted("11"), Rejected("no"))
    assert (world.again(first).venue_order_id, world.again(second).status) == ("11", "rejected")


def test_fewer_answers_than_orders_is_an_error_and_changes_nothing(world):
    orders = [world.place(), world.place()]
    (prepared,) = world.take()
    with pytest.raises(ValueError, match="shorter"):
        answered(world, prepared, Accepted("1"))
    assert {world.again(order).status for order in orders} == {"submitting"}


def test_a_fill_that_is_faster_than_the_answer_stays(world):
    order = world.place()
    (prepared,) = world.take()
    world.tell(world.fill(order, venue_id="5"))
    answered(world, prepared, Accepted("5", resting=False, filled=order.size))
    assert world.again(order).status == "filled"


@pytest.mark.parametrize(
    "reason",
    ["Invalid nonce: nonce too low 5 < 6", "Action already expired", "Too many cumulative requests sent"],
)
def test_a_refused_envelope_is_sent_again_under_a_new_nonce(world, reason):
    order = world.place()
    (first,) = world.take()
    services.submission_rejected(claim=world.claim, submission_id=first.submission_id, reason=reason)
    assert world.again(order).status == "pending"
    assert world.take() == []  # retried after a pause, because the venue limits requests
    world.now += 1_000
    (second,) = world.take()
    assert second.nonce > first.nonce
    assert second.orders == first.orders


def test_a_duplicate_nonce_is_ambiguous_because_a_copy_was_accepted(world):
    order = world.place()
    (prepared,) = world.take()
    reason = f"Invalid nonce: duplicate nonce {prepared.nonce}"
    services.submission_rejected(claim=world.claim, submission_id=prepared.submission_id, reason=reason)
    assert world.again(order).status == "unknown"


def test_a_refused_batch_rejects_each_of_its_orders(world):
    orders = [world.place(), world.place()]
    (prepared,) = world.take()
    services.submission_rejected(
        claim=world.claim, submission_id=prepared.submission_id, reason="Order has invalid price."
    )
    assert {world.again(order).status for order in orders} == {"rejected"}
    assert world.held("reserved") == 0


def test_a_revoked_key_stops_the_wallet(world):
    order = world.place()
    (prepared,) = world.take()
    reason = "User or API Wallet 0xabc does not exist."
    events = services.submission_rejected(
        claim=world.claim, submission_id=prepared.submission_id, reason=reason
    )
    wallet = Wallet.objects.get()
    assert (wallet.status, wallet.status_reason) == ("expired", reason)
    assert world.again(order).status == "rejected"
    assert "wallet" in {event["type"] for event in events}


def test_what_never_left_waits_again(world):
    order = world.place()
    (prepared,) = world.take()
    services.submission_not_sent(claim=world.claim, submission_id=prepared.submission_id)
    assert world.again(order).status == "pending"
    assert world.held("reserved") == order.reserved
    assert Submission.objects.get().outcome == "not_sent"


# --- in-flight orders ---------------------------------------------------------------------------------
def unknown_order(world, **changes):
    order = world.place(**changes)
    (prepared,) = world.take()
    services.submission_unknown(claim=world.claim, submission_id=prepared.submission_id)
    return world.again(order)


def test_an_unknown_order_keeps_its_reservation_and_is_not_sent_again(world):
    order = unknown_order(world)
    assert (order.status, world.held("reserved")) == ("unknown", order.reserved)
    assert world.take() == []


def test_orders_are_queried_only_after_the_validity_and_a_margin(world):
    order = unknown_order(world)
    assert due(world, VALIDITY + MARGIN) == []
    (in_flight,) = due(world)
    assert (in_flight.order_id, in_flight.venue_client_id, in_flight.symbol) == (
        order.pk,
        order.venue_client_id,
        PERP,
    )


def test_an_order_that_a_dead_worker_left_submitting_is_queried(world):
    order = world.place()
    world.take()
    assert [in_flight.order_id for in_flight in due(world)] == [order.pk]


def test_never_seen_is_sent_again_under_the_same_id(world):
    order = unknown_order(world)
    resolve(world, order)
    assert world.again(order).status == "pending"
    (again,) = world.take()
    assert again.orders[0].client_id == order.venue_client_id
    assert world.held("reserved") == order.reserved


def test_never_seen_and_cancelled_meanwhile_ends_cancelled(world):
    order = unknown_order(world)
    world.cancel(order)
    assert world.again(order).status == "unknown"
    resolve(world, order)
    order = world.again(order)
    assert (order.status, order.reserved) == ("cancelled", 0)


@pytest.mark.parametrize(
    ("changes", "later", "status"),
    [
        ({"lookup_horizon": 60_000}, 59_000, "pending"),
        ({"lookup_horizon": 60_000}, 61_000, "expired"),
        ({"validity": lambda self, request: Validity("none", 5_000, 3_000)}, 9_000, "expired"),
    ],
    ids=["within the horizon", "past the horizon", "without a validity"],
)
def test_not_found_proves_nothing_where_the_venue_may_have_forgotten(
    world, monkeypatch, changes, later, status
):
    """Sent again only if "not found" means that the venue never received it. A later fill is still applied."""
    for name, value in changes.items():
        monkeypatch.setattr(HyperliquidAdapter, name, value)
    order = unknown_order(world)
    resolve(world, order, now=world.now + VALIDITY + later)
    order = world.again(order)
    assert (order.status, order.code, bool(order.reserved)) == (
        (status, "", True) if status == "pending" else (status, "forgotten", False)
    )
    world.tell(world.fill(order, "0.01"))
    assert world.again(order).filled == Decimal("0.01")


def test_never_seen_and_too_old_lapses(world):
    order = unknown_order(world)
    resolve(world, order, now=world.now + 11 * 60_000)
    assert world.again(order).status == "expired"


def test_found_is_open_and_a_remembered_cancel_goes_out(world):
    order = unknown_order(world)
    world.cancel(order)
    resolve(world, order, world.venue_order(order, venue_id="9"))
    assert world.again(order).status == "open"
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert [(spec.venue_id, spec.symbol) for spec in prepared.cancels] == [("9", PERP)]


def test_an_order_resolved_by_an_event_is_left_alone(world):
    order = unknown_order(world)
    world.tell(world.fill(order, venue_id="3"))
    resolve(world, order)
    assert world.again(order).status == "filled"


def test_an_open_order_that_the_venue_forgot_ends_once_it_is_not_merely_slow(world):
    order = world.open()
    resolve(world, order)
    assert world.again(order).status == "open"
    resolve(world, order, now=world.now + 70_000)
    order = world.again(order)
    assert (order.status, order.code, order.reserved) == ("cancelled", "forgotten", 0)


def test_a_late_word_on_an_action_that_was_given_up_touches_no_later_one(world):
    order = world.place()
    (first,) = world.take()
    resolve(world, order)
    world.take()
    answered(world, first, Rejected("no"))
    assert world.again(order).status == "submitting"


def test_a_venue_that_fills_less_than_was_asked_for_ends_the_order(world):
    order = world.open()
    world.tell(world.fill(order, "0.006"), world.venue_order(order, "filled"))
    assert world.again(order).status == "partially_filled"
    resolve(world, order, world.venue_order(order, "filled"))
    order = world.again(order)
    assert (order.status, order.flags, order.reserved) == ("filled", ["trimmed"], 0)


# --- cancels ------------------------------------------------------------------------------------------
def test_a_cancel_goes_out_once_and_the_order_ends_when_the_venue_says_so(world):
    order = world.open(venue_id="8")
    world.cancel(order)
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert services.cancels_prepare(claim=world.claim, now=world.now) == []
    answered(world, prepared, Accepted())
    assert world.again(order).status == "cancelling"
    world.tell(world.venue_order(order, "cancelled"))
    order = world.again(order)
    assert (order.status, order.reserved) == ("cancelled", 0)


def test_a_cancel_without_an_answer_is_sent_again(world):
    order = world.open()
    world.cancel(order)
    (first,) = services.cancels_prepare(claim=world.claim, now=world.now)
    services.submission_unknown(claim=world.claim, submission_id=first.submission_id)
    (second,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert second.order_ids == first.order_ids


def test_a_cancel_that_a_dead_worker_had_taken_is_sent_by_the_next(world):
    world.cancel(world.open())
    (first,) = services.cancels_prepare(claim=world.claim, now=world.now)
    leases.release(world.claim)
    (world.claim,) = leases.claim(Wallet, leases.worker_register(channel="wallets-execution"))
    (second,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert second.order_ids == first.order_ids


def test_a_cancel_that_was_taken_and_never_settled_is_sent_again(world):
    world.cancel(world.open())
    (first,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert services.cancels_prepare(claim=world.claim, now=world.now + 29_000) == []
    (second,) = services.cancels_prepare(claim=world.claim, now=world.now + 31_000)
    assert second.order_ids == first.order_ids


def test_a_refused_cancel_asks_for_a_reconciliation(world):
    Wallet.objects.update(reconciled_at="2026-01-01T00:00:00Z")
    world.cancel(world.open())
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    answered(world, prepared, Rejected("Order was never placed, already canceled, or filled."))
    assert Wallet.objects.get().reconciled_at is None


def test_a_halted_wallet_still_cancels(world):
    world.cancel(world.open())
    Wallet.objects.update(trading_state="halted")
    assert len(services.cancels_prepare(claim=world.claim, now=world.now)) == 1


# --- modifications ------------------------------------------------------------------------------------
def modify(world, order, **changes):
    return services.order_modify(user=world.user, order_id=order.pk, client_id=uuid4(), **changes)


def test_a_change_reserves_the_difference_and_takes_over_when_the_old_order_ends(world):
    old = world.open(venue_id="1")
    new = modify(world, old, size=Decimal("0.02"))
    assert new.reserved == old.reserved
    (prepared,) = world.take()
    (change,) = prepared.changes
    assert (prepared.kind, change.target.venue_id, change.order.size) == ("modify", "1", Decimal("0.02"))
    answered(world, prepared, Accepted("2"))
    assert world.again(old).status == "open"
    world.tell(world.venue_order(old, "cancelled"))
    old, new = world.again(old), world.again(new)
    assert (old.status, old.reserved) == ("cancelled", 0)
    assert (new.status, new.reserved, world.held("reserved")) == (
        "open",
        new.initial_reservation,
        new.initial_reservation,
    )


def test_a_refused_change_leaves_the_old_order_and_its_funds(world):
    old = world.open()
    new = modify(world, old, size=Decimal("0.02"))
    (prepared,) = world.take()
    answered(world, prepared, Rejected("Cannot modify canceled or filled order."))
    assert (world.again(new).status, world.again(old).status) == ("rejected", "open")
    assert world.held("reserved") == old.reserved


def test_a_change_of_what_never_left_simply_goes_out(world):
    old = world.place()
    new = modify(world, old, price=Decimal(48_000))
    assert world.again(old).status == "cancelled"
    (prepared,) = world.take()
    assert (prepared.kind, prepared.order_ids) == ("place", [new.pk])
    assert world.held("reserved") == world.again(new).initial_reservation


def test_a_modification_waits_until_the_old_order_is_resolved(world):
    old = unknown_order(world)
    new = modify(world, old, price=Decimal(48_000))
    assert world.take() == []
    resolve(world, old, world.venue_order(old, venue_id="4"))
    (prepared,) = world.take()
    assert (prepared.kind, prepared.order_ids) == ("modify", [new.pk])


def test_a_change_of_an_order_that_was_filled_meanwhile_is_denied(world):
    old = world.open()
    new = modify(world, old, price=Decimal(48_000))
    world.tell(world.fill(old))
    assert world.take() == []
    assert (world.again(new).status, world.again(new).code) == ("denied", "replaced_order_closed")
    assert world.held("reserved") == 0


def test_the_same_change_twice_is_one_change(world):
    old, key = world.open(), uuid4()
    price = Decimal(48_000)
    first = services.order_modify(user=world.user, order_id=old.pk, client_id=key, price=price)
    again = services.order_modify(user=world.user, order_id=old.pk, client_id=key, price=price)
    assert first.pk == again.pk
    with pytest.raises(services.OrderConflict, match="Another order"):
        services.order_modify(user=world.user, order_id=old.pk, client_id=key, price=Decimal(47_000))
    with pytest.raises(services.OrderConflict, match="already"):
        modify(world, old, price=Decimal(46_000))


def test_what_a_person_makes_of_a_bots_order_is_the_persons(world):
    old = world.open()
    Order.objects.filter(pk=old.pk).update(source_id=uuid4(), origin="bot")
    new = modify(world, old, price=Decimal(48_000))
    assert (new.source_id, new.origin, new.provenance) == (None, "api", {})
    assert world.again(old).source_id is not None


# --- leverage -----------------------------------------------------------------------------------------
def test_a_leverage_is_true_once_the_venue_has_taken_it(world):
    def prepare():
        return services.leverage_prepare(claim=world.claim, now=world.now, validity=VALIDITY)

    services.leverage_set(user=world.user, wallet_id=world.wallet.pk, symbol=PERP, leverage=5)
    (prepared,) = prepare()
    assert (prepared.kind, prepared.leverage.symbol, prepared.leverage.leverage) == ("leverage", PERP, 5)
    assert prepare() == []
    assert world.wallet.positions.get().leverage == 20
    answered(world, prepared, Accepted())
    row = world.wallet.positions.get()
    assert (row.leverage, row.target_leverage) == (5, None)
    assert prepare() == []


def test_a_lost_leverage_is_sent_again(world):
    services.leverage_set(user=world.user, wallet_id=world.wallet.pk, symbol=PERP, leverage=5)
    (prepared,) = services.leverage_prepare(claim=world.claim, now=world.now, validity=VALIDITY)
    services.submission_unknown(claim=world.claim, submission_id=prepared.submission_id)
    (again,) = services.leverage_prepare(claim=world.claim, now=world.now, validity=VALIDITY)
    assert again.leverage == prepared.leverage
    later = world.now + 31_000
    assert len(services.leverage_prepare(claim=world.claim, now=later, validity=VALIDITY)) == 1


@pytest.mark.parametrize(("symbol", "leverage"), [(PERP, 0), (PERP, 11), ("HYPE/USDC", 2), ("NONE", 2)])
def test_a_leverage_that_cannot_be_is_refused(world, symbol, leverage):
    with pytest.raises(services.OrderInvalid):
        services.leverage_set(user=world.user, wallet_id=world.wallet.pk, symbol=symbol, leverage=leverage)


# --- fencing ------------------------------------------------------------------------------------------
def every_service(world: TradingEnv, order: Order, submission: int):
    claim, state = world.claim, world.state({("perp", "USDC"): "1"})
    return {
        "orders_prepare": lambda: services.orders_prepare(claim=claim, now=world.now, validity=VALIDITY),
        "cancels_prepare": lambda: services.cancels_prepare(claim=claim, now=world.now),
        "leverage_prepare": lambda: services.leverage_prepare(claim=claim, now=world.now, validity=VALIDITY),
        "submission_answered": lambda: services.submission_answered(
            claim=claim, submission_id=submission, answers=[Accepted("1")]
        ),
        "submission_rejected": lambda: services.submission_rejected(
            claim=claim, submission_id=submission, reason="no"
        ),
        "submission_rejected_as_duplicate": lambda: services.submission_rejected(
            claim=claim, submission_id=submission, reason="duplicate nonce"
        ),
        "submission_not_sent": lambda: services.submission_not_sent(claim=claim, submission_id=submission),
        "submission_unknown": lambda: services.submission_unknown(claim=claim, submission_id=submission),
        "in_flight_due": lambda: due(world),
        "in_flight_resolve": lambda: resolve(world, order),
        "account_events_apply": lambda: world.tell(world.fill(order)),
        "account_reconcile": lambda: services.account_reconcile(claim=claim, snapshot=world.snapshot(state)),
        "wallet_stream_set": lambda: services.wallet_stream_set(claim=claim, stream="live"),
        "key_generate": lambda: services.key_generate(claim=claim, unsealer=Unsealer(Path("nowhere"))),
        "key_check_store": lambda: services.key_check_store(
            claim=claim,
            key_check=KEY_CHECK,
            verdict=KeyVerdict("rejected", "because"),
            now=world.now,
        ),
    }


KEY_CHECK = KeyCheck(RegisteredKey(account="0x1", key_id="0x2", proven=False), before=None)
SERVICES = (
    "orders_prepare", "cancels_prepare", "leverage_prepare", "submission_answered", "submission_rejected", "submission_rejected_as_duplicate", "submission_not_sent",
    "submission_unknown", "in_flight_due", "in_flight_resolve", "account_events_apply", "account_reconcile", "wallet_stream_set",
    "key_generate", "key_check_store",
)  # fmt: skip
READS = {"key_check_prepare"}


def everything():
    rows = {model.__name__: list(model.objects.order_by("pk").values()) for model in (Order, Submission)}
    wallets = Wallet.objects.values(
        "last_nonce", "status", "stream_status", "reconciled_at", "events_synced_until", "ledger_opened_at"
    )
    return rows, list(wallets), LedgerEntry.objects.aggregate(Max("pk"))


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("how", ["taken over", "lease ended"])
def test_a_stale_claim_changes_nothing(world, name, how):
    order = world.place()
    (prepared,) = world.take()
    world.place()
    services.leverage_set(user=world.user, wallet_id=world.wallet.pk, symbol=PERP, leverage=5)
    if how == "taken over":
        leases.release(world.claim)
        leases.claim(Wallet, leases.worker_register(channel="wallets-execution"))
    else:
        Worker.objects.update(lease_until=Worker.objects.get().started_at - timedelta(seconds=1))
    before = everything()
    with pytest.raises(LeaseLost):
        every_service(world, order, prepared.submission_id)[name]()
    assert everything() == before


def test_every_service_that_takes_a_lease_is_in_the_table(world):
    takes = {
        name for name in services.__all__
        if "claim" in getattr(getattr(services, name), "__annotations__", {})
    }  # fmt: skip
    assert takes == (set(SERVICES) | READS) - {"submission_rejected_as_duplicate"}
