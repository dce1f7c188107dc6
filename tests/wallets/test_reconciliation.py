"""Reconciliation of orders, positions and ledger with a venue snapshot."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from market.domain.orders import AccountState, VenueFill, VenueFunding, VenuePosition
from tests.wallets.factories import NOW, PERP, fees_packed, movement
from wallets import services
from wallets.domain.reconciliation import (
    ApplyEvent,
    LocalOrder,
    LocalState,
    QueryOrder,
    RetryCancel,
    VenueSnapshot,
    cash_difference,
    is_stable,
    reconcile,
    ref_of,
)
from wallets.domain.status import OrderStatus
from wallets.models import Fill, LedgerEntry, LedgerTransaction, Order, Wallet

D = Decimal
USDC = ("perp", "USDC")


def run(world, snapshot):
    return services.account_reconcile(claim=world.claim, snapshot=snapshot)


def wallet():
    return Wallet.objects.get()


def venue_position(size, cost, **changes):
    fields = {
        "symbol": PERP, "size": D(size), "cost": D(cost), "leverage": 7, "mode": "isolated",
        "margin_used": D(70), "unrealised_pnl": D(0), "liquidation_price": D(30_000),
    }  # fmt: skip
    return VenuePosition(**{**fields, **changes})


@pytest.fixture
def opened(world):
    """The wallet after its first reconciliation."""
    done = run(world, world.snapshot(world.state({USDC: "10000"})))
    assert (done.stable, done.residual) == (True, {})
    return world


# --- first reconciliation -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_an_existing_balance_becomes_the_opening_balance(world):
    done = run(world, world.snapshot(world.state({USDC: "10250", ("spot", "HYPE"): "3"})))
    assert (done.stable, done.residual) == (True, {})
    assert (world.held(), world.held(account_type="spot", asset="HYPE")) == (10_250, 3)
    assert world.held("external") == -250
    refs = LedgerTransaction.objects.filter(kind="opening").values_list("ref", flat=True)
    assert set(refs) == {"opening:perp:USDC", "opening:spot:HYPE"}
    assert wallet().ledger_opened_at is not None


@pytest.mark.django_db
def test_the_whole_history_is_applied_and_old_orders_need_no_query(world):
    fills = [
        history_fill(1, "buy", "0.02", "40000"),
        history_fill(2, "sell", "0.02", "50000", closed_pnl=D(200)),
        history_fill(2, "sell", "0.01", "50000", trade="b"),
    ]
    state = world.state({USDC: "10199.7"}, positions=(venue_position("-0.01", "-500"),), time=NOW + 60_000)
    done = run(world, world.snapshot(state, fills=fills, fundings=[world.funding("0", NOW - 9)]))
    assert (done.to_query, done.residual) == ([], {})
    assert {order.status for order in Order.objects.all()} == {"filled"}
    assert (Fill.objects.count(), world.held(), world.held("external")) == (
        3,
        D("10199.7"),
        0,
    )
    assert world.wallet.positions.get().cost == -500


@pytest.mark.django_db
def test_a_position_older_than_its_fills_begins_as_the_venue_says(world):
    run(world, world.snapshot(world.state({USDC: "10000"}, positions=(venue_position("0.5", "20000"),))))
    row = world.wallet.positions.get()
    assert (row.size, row.cost, row.leverage, row.isolated) == (D("0.5"), 20_000, 7, True)
    assert (row.margin_used, row.liquidation_price) == (70, 30_000)


@pytest.mark.django_db
def test_an_account_that_moves_while_it_is_read_is_not_opened(world):
    before = world.state({USDC: "10000"})
    after = replace(before, cash={USDC: D(9_000)})
    done = run(world, world.snapshot(before, after=after))
    assert (done.stable, wallet().ledger_opened_at) == (False, None)
    assert world.held() == 10_000


@pytest.mark.django_db
def test_an_event_newer_than_the_snapshot_makes_it_unstable(world):
    done = run(world, world.snapshot(world.state({USDC: "1"}, time=NOW - 1)))
    assert not done.stable
    assert wallet().ledger_opened_at is None


def history_fill(number, side, size, price, *, trade="a", **changes):
    fields = {
        "symbol": PERP, "side": side, "price": D(price), "size": D(size), "time": NOW - 100 + number,
        "venue_id": f"h{number}", "trade_id": f"{number}{trade}", "client_id": None, "fee": D("0.1"),
        "fee_asset": "USDC", "closed_pnl": D(0), "taker": True,
    }  # fmt: skip
    return VenueFill(**fees_packed({**fields, **changes}))


# --- later reconciliations ----------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_difference_is_shown_and_cleared_but_never_posted(opened):
    entries = opened.entries()
    done = run(
        opened, opened.snapshot(opened.state({USDC: "9990"}, positions=(venue_position("0.1", "5000"),)))
    )
    assert done.residual == {"perp:USDC": "-10", "position:BTC": "0.1"}
    assert wallet().residual == done.residual
    assert opened.entries() == entries
    run(opened, opened.snapshot(opened.state({USDC: "10000"})))
    assert wallet().residual == {}


@pytest.mark.django_db
def test_an_unstable_snapshot_leaves_the_residual_unchanged(opened):
    run(opened, opened.snapshot(opened.state({USDC: "9990"})))
    moving = opened.state({USDC: "1"})
    done = run(opened, opened.snapshot(moving, after=replace(moving, cash={USDC: D(2)})))
    assert (done.stable, wallet().residual) == (False, {"perp:USDC": "-10"})


@pytest.mark.django_db
def test_reserved_funds_are_not_a_difference(opened):
    opened.open(venue_id="1")
    listed = [opened.venue_order(Order.objects.get())]
    assert run(opened, opened.snapshot(opened.state({USDC: "10000"}), open_orders=listed)).residual == {}


@pytest.mark.django_db
def test_missed_fills_are_found_and_a_second_time_changes_nothing(opened):
    order = opened.open(venue_id="5")
    fill = opened.fill(order)
    state = opened.state({USDC: "9999.9"}, positions=(venue_position("0.01", "490", leverage=20),))
    snapshot = opened.snapshot(
        state, fills=[fill, fill], fundings=[opened.funding("0")], movements=[movement("0", ref="first")]
    )
    first = run(opened, snapshot)
    assert (opened.again(order).status, first.residual, first.to_query) == ("filled", {}, [])
    before = (opened.entries(), list(Order.objects.values()), LedgerTransaction.objects.count())
    second = run(opened, snapshot)
    assert {event["type"] for event in second.events} == {"wallet"}
    assert (opened.entries(), list(Order.objects.values()), LedgerTransaction.objects.count()) == before


@pytest.mark.django_db
def test_an_order_that_the_venue_does_not_list_is_queried(opened):
    order = opened.open(venue_id="5")
    pending = opened.place()
    done = run(opened, opened.snapshot(opened.state({USDC: "10000"})))
    assert [order.order_id for order in done.to_query] == [order.pk]
    assert (opened.again(order).status, opened.again(pending).status) == ("open", "pending")


@pytest.mark.django_db
def test_an_in_flight_order_that_is_listed_is_open(opened):
    order = opened.place()
    opened.take()
    listed = [opened.venue_order(order, venue_id="6")]
    done = run(opened, opened.snapshot(opened.state({USDC: "10000"}), open_orders=listed))
    assert (opened.again(order).status, done.to_query) == ("open", [])


@pytest.mark.django_db
def test_a_cancel_that_the_venue_took_without_doing_it_goes_out_again(opened):
    order = opened.open(venue_id="5")
    opened.cancel(order)
    (prepared,) = services.cancels_prepare(claim=opened.claim, now=opened.now)
    services.submission_rejected(claim=opened.claim, submission_id=prepared.submission_id, reason="no")
    assert services.cancels_prepare(claim=opened.claim, now=opened.now) == []
    run(opened, opened.snapshot(opened.state({USDC: "10000"}), open_orders=[opened.venue_order(order)]))
    assert len(services.cancels_prepare(claim=opened.claim, now=opened.now)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("filled", ["", "0.004"])
def test_an_order_that_ended_here_and_is_open_at_the_venue_is_reopened(opened, filled):
    order = opened.open(venue_id="5")
    fills = [opened.fill(order, filled, fee=D(0))] if filled else []
    opened.tell(*fills)
    opened.tell(opened.venue_order(order, "cancelled"))
    state = opened.state({USDC: "10000"})
    listed = [opened.venue_order(order)]
    run(opened, opened.snapshot(opened.state({USDC: "10000"}, time=NOW), open_orders=listed))
    assert opened.again(order).status == "cancelled"
    done = run(opened, opened.snapshot(state, open_orders=listed))
    order = opened.again(order)
    assert (order.status, order.flags) == ("partially_filled" if filled else "open", ["reappeared"])
    assert (
        order.reserved
        == opened.held("reserved")
        == order.initial_reservation * (order.size - order.filled) / order.size
    )
    assert "critical" in {event.get("level") for event in done.events}


@pytest.mark.django_db
def test_fields_missing_in_a_stream_are_taken_from_the_open_orders(opened):
    """Streams do not distinguish stop and limit orders."""
    event = opened.venue_order(reduce_only=True, incomplete=True)
    services.account_events_apply(claim=opened.claim, facts=[event])
    opened.wallet.refresh_from_db()
    assert opened.wallet.reconciled_at is None, "a reconciliation is due at once"
    listed = opened.venue_order(kind="stop_market", trigger_price=Decimal(48_000), reduce_only=True)
    run(opened, opened.snapshot(opened.state({USDC: "10000"}), open_orders=[listed]))
    order = Order.objects.get(origin="external")
    assert (order.kind, order.trigger_price, order.flags) == ("stop_market", Decimal(48_000), [])


@pytest.mark.django_db
def test_external_orders_are_adopted_open(opened):
    run(
        opened, opened.snapshot(opened.state({USDC: "10000"}), open_orders=[opened.venue_order(venue_id="x")])
    )
    assert Order.objects.get(venue_order_id="x").origin == "external"


@pytest.mark.django_db
def test_events_synced_until_stays_before_events_not_applied(opened):
    odd = history_fill(5, "buy", "1", "1", symbol="NEW", time=NOW + 500)
    Wallet.objects.update(events_synced_until=0)
    run(opened, opened.snapshot(opened.state({USDC: "10000"}, time=NOW + 9_000), fills=[odd]))
    assert wallet().events_synced_until == NOW + 499
    run(opened, opened.snapshot(opened.state({USDC: "10000"}, time=NOW + 9_000)))
    assert wallet().events_synced_until == NOW + 9_000


@pytest.mark.django_db
def test_leverages_are_learnt_where_they_are_not_the_usual(opened):
    state = opened.state({USDC: "10000"}, leverages={PERP: 3, "NONE": 2})
    run(opened, opened.snapshot(state))
    assert opened.wallet.positions.get().leverage == 3
    assert opened.place().reserved == D("163.55383334")


@pytest.mark.django_db
def test_a_flat_position_costs_nothing(opened):
    buy, sell = opened.open(venue_id="1"), opened.open(venue_id="2", side="sell", price=51_000)
    opened.tell(opened.fill(buy, fee=D(0)), opened.fill(sell, fee=D(0), closed_pnl=D("19.5")))
    assert opened.wallet.positions.get().cost == D("-0.5")
    done = run(opened, opened.snapshot(opened.state({USDC: "10019.5"})))
    assert opened.wallet.positions.get().cost == 0
    assert [event["level"] for event in done.events if event["type"] == "alert"] == ["warning"]


# --- pure functions -----------------------------------------------------------------------------------
venue_ids = st.sampled_from(["1", "2", "3", "4"])
fills = st.builds(
    lambda venue_id, trade, size: history_fill(1, "buy", size, "40000", venue_id=venue_id, trade_id=trade),
    venue_ids, st.sampled_from("abcdef"), st.sampled_from(["1", "2"]),
)  # fmt: skip
fundings = st.builds(
    lambda amount, time: VenueFunding(PERP, D(amount), "USDC", D(0), D(1), NOW + time),
    st.integers(-5, 5), st.integers(0, 3),
)  # fmt: skip
orders = st.builds(
    lambda number, venue_id, status, answered: LocalOrder(number, venue_id, f"0x{number}", status, answered),
    st.uuids(), venue_ids, st.sampled_from(sorted(OrderStatus)), st.booleans(),
)  # fmt: skip
STATE = AccountState(NOW, {}, (), D(0), D(0))


@given(
    st.lists(fills), st.lists(fundings), st.lists(orders, unique_by=lambda order: order.venue_id),
    st.data(),
)  # fmt: skip
def test_reconciling_twice_is_reconciling_once_and_nothing_is_made_up(fills, fundings, live, data):
    snapshot = VenueSnapshot(STATE, 0, (), fills, fundings, [movement("1")], STATE)
    events = [*fills, *fundings, *snapshot.movements]
    stored = frozenset(data.draw(st.sets(st.sampled_from([ref_of(event) for event in events]))))
    actions = reconcile(LocalState(live, stored), snapshot)
    missing = [action.event for action in actions if isinstance(action, ApplyEvent)]
    refs = [ref_of(event) for event in missing]
    assert all(event in events for event in missing)
    assert len(refs) == len(set(refs))
    assert set(refs) == {ref_of(event) for event in events} - stored
    again = reconcile(LocalState(live, stored | set(refs)), snapshot)
    assert [action for action in again if isinstance(action, ApplyEvent)] == []


@given(st.lists(orders, unique_by=lambda order: order.venue_id), st.sets(venue_ids))
def test_every_open_order_is_listed_or_queried(live, listed):
    template = history_order()
    snapshot = VenueSnapshot(
        STATE, 0, [replace(template, venue_id=one) for one in sorted(listed)], (), (), (), STATE
    )
    actions = reconcile(LocalState(live, frozenset()), snapshot)
    queried = {action.order_id for action in actions if isinstance(action, QueryOrder)}
    again = {action.order_id for action in actions if isinstance(action, RetryCancel)}
    at_venue = {"open", "partially_filled", "cancelling"}
    assert queried == {one.id for one in live if one.status in at_venue and one.venue_id not in listed}
    assert again == {
        one.id for one in live if one.status in at_venue and one.venue_id in listed and one.cancel_answered
    }


def history_order():
    from market.domain.orders import VenueOrder

    return VenueOrder(PERP, "buy", "limit", "gtc", D(1), D(1), D(1), "1", None, "open", "open", NOW, NOW)


def test_stable_means_unchanged_cash_and_sizes_and_no_newer_event():
    state = replace(STATE, cash={USDC: D(1)}, positions=(venue_position("1", "1"),))
    still = VenueSnapshot(state, 0, (), (), (), (), replace(state, cash={USDC: D(1), ("spot", "A"): D(0)}))
    assert is_stable(still, NOW)
    assert not is_stable(still, NOW + 1)
    assert not is_stable(replace(still, after=replace(state, positions=())), NOW)
    assert not is_stable(replace(still, after=replace(state, cash={USDC: D(2)})), NOW)


def test_differences_are_the_venue_less_the_ledger():
    books, venue = {USDC: D(5), ("spot", "A"): D(1)}, {USDC: D(7), ("spot", "B"): D(2)}
    assert cash_difference(books, venue) == {USDC: 2, ("spot", "A"): -1, ("spot", "B"): 2}


@pytest.mark.django_db
def test_the_ledger_still_sums_to_zero(opened):
    sums = LedgerEntry.objects.values("asset").annotate(total=Sum("amount"))
    assert {row["total"] for row in sums} == {0}
