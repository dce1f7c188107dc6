"""Equity curve: computed forwards from all fills or backwards from the current PnL, it is the same."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bots.domain.equity import downsample, equity_curve, recent_equity
from bots.domain.ledger import LedgerFill
from bots.domain.pnl import pnl_from

MARK = Decimal(100)
AMOUNT = st.decimals("0.001", "50", places=3)
FILLS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), AMOUNT, AMOUNT, st.decimals("-1", "1", places=3),
              st.sampled_from(["USDC", "BTC", "BNB"])),
    max_size=20,
)  # fmt: skip


def fills_of(rows):
    return [
        LedgerFill(f"r{number:03}", side, price, size, fee, asset, number)
        for number, (side, price, size, fee, asset) in enumerate(rows)
    ]


@given(FILLS, st.integers(0, 25))
def test_recent_equity_equals_the_end_of_the_equity_curve(rows, count):
    fills = fills_of(rows)
    book = pnl_from("BTC", "USDC", fills)
    newest = fills[-count:] if count else []
    totals = [point.total for point in equity_curve("BTC", "USDC", fills, (99, MARK))]
    recent = recent_equity(book, newest, MARK)
    assert len(recent) == len(newest) + 1
    slack = Decimal("1e-9")  # a part of a position is cut to 12 decimals
    expected = totals[-len(recent) :] if fills else [Decimal(0)]
    assert all(abs(one - other) <= slack for one, other in zip(recent, expected, strict=True))


@given(FILLS)
def test_a_flat_bot_that_paid_its_fees_in_quote_has_realised_everything(rows):
    fills = [replace(fill, fee_asset="USDC") for fill in fills_of(rows)]
    for point in equity_curve("BTC", "USDC", fills, None)[-1:]:
        book = pnl_from("BTC", "USDC", fills)
        if book.position.size == 0:
            assert abs(point.realised_pnl - point.total) <= Decimal("1e-9")


def test_a_long_line_keeps_both_ends():
    assert downsample(range(1000), 5) == [0, 250, 500, 749, 999]
    assert downsample(range(3), 5) == [0, 1, 2]
