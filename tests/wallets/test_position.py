"""Positions as sums: exact, and the same in any order of fills."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.domain.orders import VenueFill, VenueFunding
from wallets.domain.position import (
    PositionTotals,
    reducible_size,
    signed,
    unrealised_pnl,
    with_fill,
    with_funding,
)

D = Decimal


def fill(side, size, price, pnl="0", fee="0"):
    return VenueFill(
        "BTC", side, D(price), D(size), 1, "1", "1", None, (("USDC", D(fee)),), D(pnl), taker=True
    )


def held(*fills):
    holding = PositionTotals()
    for one in fills:
        holding = with_fill(holding, one, "USDC")
    return holding


@pytest.mark.parametrize(
    ("fills", "size", "cost", "realised_pnl"),
    [
        ([("buy", "2", "100")], "2", "200", "0"),
        ([("buy", "2", "100"), ("buy", "2", "110")], "4", "420", "0"),
        ([("buy", "2", "100"), ("sell", "1", "130", "30")], "1", "100", "30"),
        ([("buy", "2", "100"), ("sell", "2", "90", "-20")], "0", "0", "-20"),
        ([("buy", "1", "100"), ("sell", "3", "120", "20")], "-2", "-240", "20"),
        ([("sell", "2", "100"), ("buy", "1", "80", "20")], "-1", "-100", "20"),
    ],
)
def test_what_is_held_and_what_it_cost(fills, size, cost, realised_pnl):
    holding = held(*(fill(*one) for one in fills))
    assert (holding.size, holding.cost, holding.realised_pnl) == (D(size), D(cost), D(realised_pnl))


def test_fees_and_funding_do_not_touch_the_cost():
    holding = with_funding(
        held(fill("buy", "1", "100", fee="0.5")), VenueFunding("BTC", D(-2), "USDC", D(0), D(1), 1)
    )
    assert holding == PositionTotals(D(1), D(100), D(0), D("0.5"), D(-2))


def test_open_profit_is_value_less_cost():
    assert unrealised_pnl(D(2), D(200), D(110)) == 20
    assert unrealised_pnl(D(-2), D(-200), D(110)) == -20


@pytest.mark.parametrize(
    ("side", "position", "waiting", "left"),
    [
        ("sell", 5, 0, 5),
        ("sell", 5, 3, 2),
        ("sell", 5, 9, 0),
        ("buy", 5, 0, 0),
        ("buy", -5, 1, 4),
        ("sell", 0, 0, 0),
    ],
)
def test_what_could_be_closed(side, position, waiting, left):
    assert reducible_size(side, D(position), D(waiting)) == left


class Venue:
    """Average cost, as the venue keeps it: what closes is realised at the average of what is held."""

    def __init__(self):
        self.size = self.cost = D(0)

    def trade(self, side, size, price):
        delta = signed(side, size)
        closes = min(size, abs(self.size)) if self.size * delta < 0 else D(0)
        sign = 1 if self.size > 0 else -1
        entry = self.cost / self.size if self.size else D(0)
        pnl = closes * sign * (price - entry)
        self.cost += delta * price + pnl
        self.size += delta
        return fill(side, str(size), str(price), str(pnl))


trades = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.sampled_from([1, 2, 4, 8]), st.integers(1, 64)),
    max_size=12,
)


@given(trades, st.randoms())
def test_sums_follow_the_venue_and_no_order_of_arrival_matters(sequence, shuffler):
    venue = Venue()
    fills = [venue.trade(side, D(size), D(price)) for side, size, price in sequence]
    shuffled = list(fills)
    shuffler.shuffle(shuffled)
    close = D("1e-18")
    for order in (fills, shuffled):
        holding = held(*order)
        assert holding.size == venue.size
        assert abs(holding.cost - venue.cost) < close
    assert replace(held(*shuffled), cost=D(0), realised_pnl=D(0)) == replace(
        held(*fills), cost=D(0), realised_pnl=D(0)
    )


@given(trades)
def test_profit_realised_and_open_is_the_profit_of_the_cash(sequence):
    """Sold less bought, with what is held at the mark: the same money, counted twice."""
    venue, mark = Venue(), D(40)
    fills = [venue.trade(side, D(size), D(price)) for side, size, price in sequence]
    holding = held(*fills)
    cash = sum((-signed(one.side, one.size) * one.price for one in fills), D(0))
    total = holding.realised_pnl + unrealised_pnl(holding.size, holding.cost, mark)
    assert abs(total - (cash + holding.size * mark)) < D("1e-18")
