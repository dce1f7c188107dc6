from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.domain.conflate import BookMerger
from market.domain.events import Book


def book(bids, asks, time, *, shallow=False):
    return Book("BTC", tuple((str(p), "1") for p in bids), tuple((str(p), "1") for p in asks), time, shallow)


def prices(body):
    return [[int(p) for p, _ in body[side]] for side in ("bids", "asks")]


def test_there_is_no_body_before_the_first_book():
    assert BookMerger().to_json() is None


def test_the_fast_book_wins_down_to_its_own_deepest_price():
    merger = BookMerger()
    merger.apply(book([99, 98, 97, 96], [101, 102, 103, 104], 10))
    merger.apply(book([100, 98], [102, 103], 20, shallow=True))
    assert prices(merger.to_json()) == [[100, 98, 97, 96], [102, 103, 104]]
    assert merger.to_json()["t"] == 20


def test_a_newer_deep_book_replaces_the_fast_one():
    merger = BookMerger()
    merger.apply(book([100], [102], 20, shallow=True))
    assert prices(merger.to_json()) == [[100], [102]]
    merger.apply(book([95, 94], [96, 97], 30))
    assert prices(merger.to_json()) == [[95, 94], [96, 97]]


def test_books_that_arrive_late_are_ignored():
    merger = BookMerger()
    merger.apply(book([95], [96], 30))
    merger.apply(book([90], [91], 20))
    merger.apply(book([80], [81], 10, shallow=True))
    assert prices(merger.to_json()) == [[95], [96]]


def test_deep_levels_that_would_cross_the_other_side_are_omitted():
    merger = BookMerger()
    merger.apply(book([99, 98], [101, 102], 10))
    merger.apply(book([], [95], 20, shallow=True))  # all bids of 95 and above were eaten
    assert prices(merger.to_json()) == [[], [95, 101, 102]]


sides = st.tuples(st.sets(st.integers(1, 60), max_size=20), st.integers(1, 60))


def uncrossed(levels, middle, depth):
    bids = sorted((p for p in levels if p < middle), reverse=True)[:depth]
    return bids, sorted(p for p in levels if p > middle)[:depth]


@given(sides, sides, st.integers(0, 3), st.integers(0, 3))
def test_the_merged_book_is_never_crossed_and_always_sorted(deep, fast, deep_time, fast_time):
    merger = BookMerger()
    merger.apply(book(*uncrossed(*deep, 20), deep_time))
    merger.apply(book(*uncrossed(*fast, 5), fast_time, shallow=True))
    body = merger.to_json()
    bids, asks = ([Decimal(p) for p, _ in body[side]] for side in ("bids", "asks"))
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert not (bids and asks) or bids[0] < asks[0]
