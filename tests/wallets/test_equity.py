"""Equity of a wallet at the mark prices, and the live markup of its figures."""

from decimal import Decimal

from wallets.selectors import equity_of_wallet
from wallets.templatetags.wallets import positions_live


def test_equity_is_the_collateral_and_the_unrealised_pnl(world):
    world.tell(world.fill(world.open(size="0.01", price="49000"), "0.01"))
    equity = equity_of_wallet(world.wallet)
    (held,) = equity.positions
    assert equity.value == equity.cash + held.unrealised_pnl
    assert equity.cash == world.held("available") + world.held("reserved")


def test_figures_of_positions_carry_what_the_page_needs_to_follow_the_price(world):
    world.tell(world.fill(world.open(size="0.01", price="49000"), "0.01"))
    equity = equity_of_wallet(world.wallet)
    markup = positions_live(world.wallet.venue_id, equity.positions)
    leverage = equity.positions[0].position.leverage
    assert f"[[&quot;BTC&quot;, &quot;0.01&quot;, &quot;490&quot;, {leverage}]]" in markup
    assert 'data-live="ticks.hyperliquid-sim"' in markup


def test_without_a_price_the_equity_is_unknown(world):
    world.tell(world.fill(world.open(size="0.01", price="49000"), "0.01"))
    equity = equity_of_wallet(world.wallet)
    unknown = type(equity)(Decimal(1), [type(row)(row.position, None) for row in equity.positions])
    assert unknown.value is None
