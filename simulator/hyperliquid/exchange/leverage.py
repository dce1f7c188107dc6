"""Actions on leverage and isolated margin."""

from collections.abc import Callable
from typing import Any

from simulator.hyperliquid.exchange import action_parser, margin
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import Refused, Unprocessable

Action = dict[str, Any]
DEFAULT = {"type": "default"}


def _perp_coin(exchange: Exchange, asset: Any) -> str:
    listing = exchange.assets.get(action_parser.whole(asset))
    if listing is None or listing.is_spot or listing.delisted:
        raise Refused("Invalid asset.")
    return listing.coin


def update_leverage(exchange: Exchange, account: Account, action: Action) -> Action:
    coin = _perp_coin(exchange, action.get("asset"))
    isolated, leverage = (
        not action_parser.flag(action.get("isCross")),
        action_parser.whole(action.get("leverage")),
    )
    position = exchange.position(account, coin)
    if not 1 <= leverage <= exchange.market(coin).listing.leverage:
        raise Refused("Invalid leverage value")
    if position.lots and position.isolated != isolated:
        raise Refused("Cannot switch leverage type with open position.")
    old = position.leverage, position.isolated
    position.leverage, position.isolated = leverage, isolated
    needed = margin.reserved(exchange, account)
    if leverage < old[0] and needed > margin.cross_equity(exchange, account):
        position.leverage, position.isolated = old
        raise Refused("Insufficient margin to change leverage")
    exchange.mark_dirty(account)
    return DEFAULT


def update_isolated_margin(exchange: Exchange, account: Account, action: Action) -> Action:
    """Add `ntli` millionths of a USDC to the margin of the position (negative: remove)."""
    coin, units = _perp_coin(exchange, action.get("asset")), action.get("ntli")
    if isinstance(units, bool) or not isinstance(units, int):
        raise Unprocessable
    _margin_move(exchange, account, coin, units)
    return DEFAULT


def top_up(exchange: Exchange, account: Account, action: Action) -> Action:
    """Add margin until the position's leverage is at most the requested one."""
    coin, target = _perp_coin(exchange, action.get("asset")), action_parser.number(action.get("leverage"))
    if target <= 0:
        raise Refused("Invalid leverage value")
    position, mark = exchange.position(account, coin), exchange.market(coin).mark
    missing = int(abs(position.lots) * mark / target) - position.equity(mark)
    _margin_move(exchange, account, coin, max(0, missing))
    return DEFAULT


def _margin_move(exchange: Exchange, account: Account, coin: str, units: int) -> None:
    position, mark = exchange.position(account, coin), exchange.market(coin).mark
    if not position.lots or not position.isolated:
        raise Refused("Cannot update margin of a position that is not isolated.")
    if units > 0 and margin.withdrawable(exchange, account) < units:
        raise Refused("Insufficient margin")
    needed = abs(position.lots) * mark // position.leverage
    if units < 0 and position.equity(mark) + units < needed:
        raise Refused("Insufficient margin")
    position.raw += units
    account.raw -= units
    exchange.mark_dirty(account)


HANDLERS: dict[str, Callable[[Exchange, Account, Action], Action]] = {
    "updateLeverage": update_leverage,
    "updateIsolatedMargin": update_isolated_margin,
    "topUpIsolatedOnlyMargin": top_up,
}
