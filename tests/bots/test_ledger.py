"""Books of bots: built from fills and funding alone, exact to the last decimal, never another's."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.attribution import Attribution, CloseOrder, close_order, funding_split
from bots.domain.ledger import LedgerFill, LedgerFunding, fill_entries, funding_entries
from bots.domain.pnl import pnl_from

HOUR = 3_600_000


def fill(n, side, price, size, fee="0", asset="USDC", time=None):
    price, size, fee = Decimal(price), Decimal(size), Decimal(fee)
    return LedgerFill(f"f{n}", side, price, size, fee, asset, n * HOUR if time is None else time)


def book(*facts):
    return pnl_from("BTC", "USDC", facts)


# --- one bot by hand -----------------------------------------------------------------------------------
def test_a_round_trip_by_hand():
    done = book(
        fill(1, "buy", "100", "2", "0.2"),
        fill(2, "buy", "110", "2", "0.22"),
        LedgerFunding("p", Decimal("-0.5"), 2 * HOUR + 1),
        fill(3, "sell", "120", "3", "0.36"),
    )
    position = done.position
    assert (position.size, position.cost, position.entry_price) == (1, 105, 105)
    assert position.realised_pnl == 3 * 120 - 3 * 105
    assert done.unrealised_pnl(Decimal(90)) == -15
    assert position.pnl(Decimal(90)) == 45 - 15 - Decimal("0.78") - Decimal("0.5")
    assert (done.fills, done.round_trips, done.volume) == (3, 0, 200 + 220 + 360)
    assert done.time_in_market == 2 * HOUR


def test_a_trade_through_flat_ends_one_position_and_opens_the_opposite():
    done = book(fill(1, "buy", "100", "2"), fill(2, "sell", "90", "5"))
    assert (done.position.size, done.position.cost, done.position.realised_pnl) == (-3, -270, -20)
    assert done.round_trips == 1
    assert done.unrealised_pnl(Decimal(80)) == 30


def test_drawdown_is_the_deepest_fall_from_a_peak():
    done = book(fill(1, "buy", "100", "1"))
    for n, price in enumerate((130, 110, 150, 125, 140), 2):
        done = done.marked(Decimal(price), n * HOUR)
    assert (done.peak, done.max_drawdown) == (50, 25)
    assert done.time_in_market == 5 * HOUR


def test_time_without_a_position_is_not_time_in_market():
    done = book(fill(1, "buy", "100", "1"), fill(2, "sell", "100", "1"), fill(9, "sell", "100", "1"))
    assert done.time_in_market == HOUR


def test_a_fee_in_the_base_asset_makes_the_position_smaller_and_one_in_a_third_asset_has_no_price():
    done = book(fill(1, "buy", "100", "2", "0.002", "BTC"), fill(2, "buy", "100", "1", "0.01", "HYPE"))
    assert done.position.size == Decimal("2.998")
    assert done.position.fees == 0
    assert done.asset_balance("HYPE") == Decimal("-0.01")


def test_repeated_and_unordered_postings_are_booked_once_and_in_order():
    facts = [
        fill(1, "buy", "100", "2"),
        fill(2, "sell", "120", "1"),
        LedgerFunding("p", Decimal(1), 5 * HOUR),
    ]
    assert book(*reversed(facts), *facts) == book(*facts)


# --- properties ------------------------------------------------------------------------------------------
SIZES = st.decimals("0.001", "9", places=3)
PRICES = st.decimals("0.01", "90000", places=2)
FEES = st.decimals("-1", "1", places=6)
FILLS = st.lists(st.tuples(st.sampled_from(["buy", "sell"]), PRICES, SIZES, FEES), max_size=30)


@given(FILLS)
def test_entries_sum_to_zero_per_asset(trades):
    entries = [
        entry for n, each in enumerate(trades) for entry in fill_entries(fill(n, *each), "BTC", "USDC")
    ]
    entries += funding_entries(LedgerFunding("p", Decimal("0.7"), 1), "USDC")
    for ref in {entry.ref for entry in entries}:
        for asset in ("BTC", "USDC"):
            mine = [entry.amount for entry in entries if (entry.ref, entry.asset) == (ref, asset)]
            assert sum(mine, Decimal(0)) == 0


@given(FILLS, PRICES, st.decimals("-5", "5", places=6))
def test_pnl_equals_the_sum_of_the_entries_exactly(trades, price, paid):
    done = book(*(fill(n, *each) for n, each in enumerate(trades)), LedgerFunding("p", paid, 10**9))
    assert done.position.pnl(price) == done.asset_balance("USDC") + done.asset_balance("BTC") * price
    if not done.position.size:
        assert done.position.cost == 0
    else:
        assert done.position.cost * done.position.size > 0


@given(FILLS)
def test_flat_means_that_everything_is_realised(trades):
    done = book(*(fill(n, *each) for n, each in enumerate(trades)))
    size = done.position.size
    if size:
        done = done.filled(fill(99, "sell" if size > 0 else "buy", "50", abs(size)))
    assert (done.position.size, done.position.cost) == (0, 0)
    assert done.position.realised_pnl - done.position.fees == done.asset_balance("USDC")


# --- several bots ----------------------------------------------------------------------------------------
def test_funding_is_shared_by_size_and_the_rest_is_shown():
    sizes = {"a": Decimal(5), "b": Decimal(-3), "manual": Decimal(1)}
    assert funding_split(Decimal(-4), sizes, Decimal(4)) == {"a": -5, "b": 3, "manual": -1, "": -1}
    assert funding_split(Decimal(-3), sizes, Decimal(0)) == {"a": 0, "b": 0, "manual": 0, "": -3}


@given(
    st.decimals("-100", "100", places=8),
    st.dictionaries(st.sampled_from("abcdef"), st.decimals("-50", "50", places=5), max_size=6),
    st.decimals("-50", "50", places=5),
)
def test_shares_of_funding_sum_to_what_the_venue_paid(amount, sizes, venue):
    shares = funding_split(amount, sizes, venue)
    assert sum(shares.values(), Decimal(0)) == amount
    assert shares.keys() == {*sizes, ""}


OWNERS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "manual", "hand"]), st.sampled_from(["buy", "sell"]), PRICES, SIZES),
    max_size=30,
)


@given(OWNERS)
def test_bots_and_manual_and_residual_are_always_the_venues_position(trades):
    """`hand` trades on the venue's own page: no order here explains that, so it must be the residual."""
    books = {owner: book() for owner in ("a", "b", "manual")}
    venue = hand = Decimal(0)
    for n, (owner, side, price, size) in enumerate(trades):
        signed = size if side == "buy" else -size
        venue += signed
        if owner == "hand":
            hand += signed
        else:
            books[owner] = books[owner].filled(fill(n, side, price, size))
        bots = {name: books[name].position.size for name in ("a", "b")}
        shown = Attribution(bots, books["manual"].position.size, venue)
        assert shown.residual == hand
        assert sum(bots.values()) + shown.manual + shown.residual == venue


@pytest.mark.parametrize(
    ("own", "other", "venue", "expected"),
    [
        ("5", "0", "5", CloseOrder("sell", Decimal(5), True)),
        ("5", "2", "7", CloseOrder("sell", Decimal(5), True)),
        ("5", "-3", "2", CloseOrder("sell", Decimal(5), False)),  # the venue could reduce by 2 only
        ("-5", "5", "0", CloseOrder("buy", Decimal(5), False)),
        ("5", "0", "3", CloseOrder("sell", Decimal(3), True)),  # two were closed externally
        ("5", "0", "0", None),  # liquidated
        ("5", "0", "-2", None),
        ("5", "0", "9", CloseOrder("sell", Decimal(5), True)),  # an unexplained surplus is ignored
        ("0", "4", "4", None),
    ],
)
def test_closing_is_capped_at_the_bots_own_size(own, other, venue, expected):
    shown = Attribution({"me": Decimal(own), "you": Decimal(other)}, Decimal(0), Decimal(venue))
    assert close_order("me", shown) == expected
