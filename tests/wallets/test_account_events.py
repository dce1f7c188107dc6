"""Account events of the venue: applied once, in any order, whatever the local state."""

import itertools
from dataclasses import replace
from decimal import Decimal

import pytest

from market.domain.orders import VenueFill, VenueMovement
from tests.wallets import factories as worlds
from tests.wallets.factories import NOW, PERP, SPOT, fees_packed
from wallets import services
from wallets.models import Fill, LedgerTransaction, Order, Position, Wallet

pytestmark = pytest.mark.django_db
D = Decimal


def position(world, symbol=PERP):
    return world.wallet.positions.get(instrument__symbol=symbol)


def types(events):
    return [event["type"] for event in events]


# --- fills --------------------------------------------------------------------------------------------
def test_a_fill_is_applied_once(world):
    order = world.open()
    fill = world.fill(order, "0.004")
    events = world.tell(fill, fill)
    assert types(events) == ["order", "fill", "position", "balance"]
    assert world.tell(fill) == []
    assert (Fill.objects.count(), world.again(order).filled) == (1, D("0.004"))
    assert LedgerTransaction.objects.filter(kind="fill").count() == 1


def test_one_trade_with_oneself_is_two_fills(world):
    buy, sell = world.open(), world.open(side="sell", price=51_000)
    first = world.fill(buy)
    world.tell(first, world.fill(sell, trade_id=first.trade_id))
    assert (Fill.objects.count(), position(world).size) == (2, 0)


@pytest.mark.parametrize("sequence", list(itertools.permutations(range(4))))
def test_positions_do_not_depend_on_the_order_of_fills(world, sequence):
    """Long one, close it, short one, close half: 100 + 60 of profit."""
    long, out = world.open(size="0.01"), world.open(side="sell", price=51_000, size="0.02")
    back = world.open(price=48_000, size="0.005")
    fills = [
        world.fill(long, price=D(40_000), fee=D(0)),
        world.fill(out, "0.01", price=D(50_000), closed_pnl=D(100), fee=D(0)),
        world.fill(out, "0.01", price=D(52_000), fee=D(0)),
        world.fill(back, "0.005", price=D(40_000), closed_pnl=D(60), fee=D(0)),
    ]
    for number in sequence:
        world.tell(fills[number])
    row = position(world)
    assert (row.size, row.cost, row.realised_pnl) == (D("-0.005"), D("-260"), D(160))
    assert row.entry_price == 52_000
    assert world.held("reserved") + world.held() == 10_160


def test_a_late_fill_of_a_cancelled_order_is_applied_and_flagged(world):
    order = world.open()
    world.tell(world.venue_order(order, "cancelled"))
    world.tell(world.fill(order, "0.004"))
    order = world.again(order)
    assert (order.status, order.flags, order.filled) == ("cancelled", ["late_fill"], D("0.004"))
    world.tell(world.fill(order, "0.006"))
    assert world.again(order).status == "filled"
    assert world.held("reserved") == 0


def test_the_fill_of_a_reduce_only_order_that_the_venue_trimmed_is_not_flagged_as_late(world):
    world.tell(world.fill(world.open(venue_id="1", size="0.004")))
    order = world.open(venue_id="2", side="sell", price=48_000, size="0.01", reduce_only=True)
    world.tell(world.venue_order(order, "cancelled", raw_status="reduceOnlyCanceled"))
    world.tell(world.fill(order, "0.004"))
    order = world.again(order)
    assert (order.filled, order.flags) == (D("0.004"), [])


def test_a_fill_of_an_order_that_was_cancelled_locally_is_applied(world):
    order = world.cancel(world.place())
    world.tell(world.fill(order, venue_id="7"))
    order = world.again(order)
    assert (order.status, order.flags, order.venue_order_id) == ("filled", ["late_fill"], "7")


def test_an_overfill_is_applied_and_flagged(world):
    order = world.open()
    world.tell(world.fill(order, "0.015"))
    order = world.again(order)
    assert (order.status, order.flags, order.filled) == ("filled", ["overfill"], D("0.015"))
    assert position(world).size == D("0.015")


def test_an_order_filled_at_the_venue_stays_open_until_its_fills_arrive(world):
    Wallet.objects.update(reconciled_at="2026-01-01T00:00:00Z")
    order = world.open()
    world.tell(world.venue_order(order, "filled"))
    order = world.again(order)
    assert (order.status, order.flags) == ("open", ["fills_missing"])
    assert Wallet.objects.get().reconciled_at is None
    world.tell(world.fill(order))
    order = world.again(order)
    assert (order.status, order.flags) == ("filled", [])


def test_a_fee_below_zero_is_received(world):
    world.tell(world.fill(world.open(), fee=D("-0.5")))
    assert (world.held(), world.held("fees")) == (D("10000.5"), D("-0.5"))


def test_a_spot_trade_gives_one_asset_for_another_and_pays_its_fee_in_its_own(world):
    world.deposit("1000", account_type="spot")
    order = world.open(symbol=SPOT, price=25, size=10)
    assert world.held("reserved", account_type="spot") == 250
    world.tell(world.fill(order, price=D(24), fee=D("0.007"), fee_asset="HYPE"))
    assert world.held(account_type="spot") == 760
    assert world.held(account_type="spot", asset="HYPE") == D("9.993")
    assert world.held("trade_clearing", account_type="spot") == 240
    assert world.held("trade_clearing", account_type="spot", asset="HYPE") == -10
    assert world.held("reserved", account_type="spot") == 0
    assert not world.wallet.positions.exists()


# --- external orders ----------------------------------------------------------------------------------
def test_an_external_order_is_adopted_once(world):
    event = world.venue_order(venue_id="99")
    world.tell(event)
    world.tell(event)
    order = Order.objects.get()
    assert (order.origin, order.status, order.reserved) == ("external", "open", 0)
    assert world.cancel(order).cancel_requested_at is not None
    (prepared,) = services.cancels_prepare(claim=world.claim, now=world.now)
    assert prepared.cancels[0].venue_id == "99"


def external_fill(world, **changes):
    fields = {
        "symbol": PERP, "side": "buy", "price": D(49_000), "size": D("0.01"), "time": NOW, "venue_id": "99",
        "trade_id": "1", "client_id": None, "fee": D(0), "fee_asset": "USDC", "closed_pnl": D(0), "taker": True,
    }  # fmt: skip
    return VenueFill(**fees_packed({**fields, **changes}))


def test_a_fill_before_its_order_adopts_it_and_the_order_corrects_it(world):
    world.tell(external_fill(world))
    order = Order.objects.get()
    assert (order.origin, order.status, order.flags) == ("external", "partially_filled", ["from_fill"])
    world.tell(world.venue_order(venue_id="99", size=D("0.03"), price=D(49_500)))
    order.refresh_from_db()
    assert (order.size, order.price, order.filled, order.flags) == (D("0.03"), 49_500, D("0.01"), [])
    world.tell(external_fill(world, trade_id="2", size=D("0.02")))
    order.refresh_from_db()
    assert order.status == "filled"


def test_fill_and_order_in_one_batch_are_one_order(world):
    world.tell(external_fill(world), world.venue_order(venue_id="99"))
    assert Order.objects.get().status == "filled"


def test_two_orders_with_one_client_id_cause_a_critical_alert(world):
    order = world.open(venue_id="1")
    world.tell(world.fill(order))
    events = world.tell(world.venue_order(order, venue_id="2"))
    assert ("alert", "critical") in {(event["type"], event.get("level")) for event in events}
    assert world.again(order).flags == ["doubled"]
    assert Order.objects.filter(origin="external", venue_order_id="2").exists()


def test_an_unknown_instrument_causes_an_alert_and_does_not_stop_the_rest(world):
    order = world.open()
    events = world.tell(external_fill(world, symbol="NEW"), world.fill(order))
    assert "alert" in types(events)
    assert world.again(order).status == "filled"


def test_a_stop_that_follows_the_position_has_no_size_and_is_adopted(world):
    world.tell(
        world.venue_order(venue_id="9", size=D(0), price=D(0), kind="stop_market", trigger_price=D(40_000))
    )
    order = Order.objects.get()
    assert (order.size, order.price, order.flags) == (D("0.00001"), 40_000, ["whole_position"])


@pytest.mark.parametrize("changes", [{"size": D(0)}, {"price": D(0)}])
def test_a_fill_without_size_or_price_causes_an_alert_and_stops_nothing(world, changes):
    order = world.open()
    events = world.tell(external_fill(world, **changes), world.fill(order))
    assert "alert" in types(events)
    assert (Fill.objects.count(), world.again(order).status) == (1, "filled")


# --- order events from the venue ----------------------------------------------------------------------
@pytest.mark.parametrize("status", ["open", "triggered"])
def test_a_stale_open_does_not_bring_an_order_back(world, status):
    order = world.open()
    world.tell(world.venue_order(order, "cancelled", raw_status="marginCanceled"))
    world.tell(world.venue_order(order, status))
    order = world.again(order)
    assert (order.status, order.code) == ("cancelled", "marginCanceled")


def test_a_rejection_by_the_stream_before_the_answer(world):
    order = world.place()
    world.take()
    world.tell(world.venue_order(order, "rejected", raw_status="perpMarginRejected"))
    order = world.again(order)
    assert (order.status, order.code, order.reserved) == ("rejected", "perpMarginRejected", 0)


def test_a_cancel_that_loses_the_race_ends_filled(world):
    order = world.open()
    world.cancel(order)
    services.cancels_prepare(claim=world.claim, now=world.now)
    world.tell(world.fill(order))
    assert world.again(order).status == "filled"


# --- money --------------------------------------------------------------------------------------------
def test_funding_is_applied_once_per_symbol_and_time(world):
    world.tell(world.funding("-1.5"), world.funding("-1.5"), world.funding("0.5", NOW + 1))
    world.tell(world.funding("-1.5"))
    assert (world.held(), world.held("funding"), position(world).funding) == (9_999, 1, -1)


def test_a_transfer_between_account_types_and_its_fee(world):
    legs = (("perp", "USDC", D(-100)), ("spot", "USDC", D(100)))
    move = VenueMovement("t1", "transfer", legs, D(1), "USDC", NOW)
    world.tell(move)
    world.tell(move)
    assert (world.held(), world.held(account_type="spot"), world.held("fees")) == (9_899, 100, 1)
    assert world.held("transfers") + world.held("transfers", account_type="spot") == -10_000


def test_the_stream_status_is_published_when_it_changes(world):
    events = services.wallet_stream_set(claim=world.claim, stream="live")
    assert [(event["type"], event["stream_status"]) for event in events] == [("wallet", "live")]
    assert services.wallet_stream_set(claim=world.claim, stream="live") == []


def test_events_are_json_with_decimals_as_text(world):
    order = world.open(venue_id="1")
    events = {event["type"]: event for event in world.tell(world.fill(order, "0.004"))}
    assert events["order"]["filled_size"] == "0.004"
    assert (events["order"]["status"], events["order"]["price"], events["order"]["trigger_price"]) == (
        "partially_filled", "49000", None,
    )  # fmt: skip
    assert (events["fill"]["fee"], events["position"]["size"]) == ("0.1", "0.004")
    assert events["balance"] == {"type": "balance", "wallet": str(world.wallet.pk)}


def test_two_wallets_at_one_venue_do_not_mix(world, bob):
    other = worlds.wallet_make(bob, world.venue, 2)
    order = world.open(venue_id="1")
    world.tell(world.fill(order))
    assert not other.orders.exists()
    assert not other.balances.exists()


def test_a_fill_with_fees_in_two_assets_posts_both(world):
    order = world.open()
    fees = (("BNB", D("0.002")), ("USDC", D("-0.5")))
    world.tell(replace(world.fill(order), fees=fees))
    assert (world.held("fees"), world.held("fees", asset="BNB")) == (D("-0.5"), D("0.002"))
    assert world.held(asset="BNB") == D("-0.002")
    fill = Fill.objects.get(order=order)
    assert (fill.fee_asset, fill.fee, fill.other_fees) == ("USDC", D("-0.5"), [["BNB", "0.002"]])
    assert Position.objects.get(wallet=world.wallet).fees == D("-0.5")
