"""Audit of all accounts: dump of an account, and the sum checks. Used by the control plane and the tests."""

from typing import Any

from simulator.hyperliquid.exchange import account_state, margin, queries
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.fixed_point import usd_text


def positions_sum(exchange: Exchange, coin: str) -> int:
    """Sum of the signed lots of all accounts and the synthetic traders: always 0."""
    accounts = [*exchange.accounts.values(), exchange.population]
    return sum(account.positions[coin].lots for account in accounts if coin in account.positions)


def cash_gap(exchange: Exchange) -> int:
    """Unexplained perpetual USDC, in hundred-millionths: always 0.

    Deposits equal the cash of all accounts, plus collected fees, plus spot balances.
    """
    accounts = [*exchange.accounts.values(), exchange.population]
    cash = sum(account.raw + sum(row.raw for row in account.positions.values()) for account in accounts)
    spot = sum(account.holding(0).total for account in accounts)
    fees = exchange.fees.get("USD", 0)
    paid_in = sum(account.paid_in for account in accounts)
    return (cash + fees - paid_in) * 100 + spot + exchange.fees.get("0", 0)


def _summary_row(account: Account) -> dict[str, Any]:
    return {
        "raw": usd_text(account.raw),
        "fills": len(account.fills),
        "open": len(account.open),
        "positions": {coin: row.lots for coin, row in account.positions.items() if row.lots},
        "master": account.master,
    }


def account_book(exchange: Exchange, account: Account) -> dict[str, Any]:
    """Exact dump of an account, which a client compares with its own ledger. Logs are oldest first."""
    unrealised = sum(
        position.lots * exchange.market(coin).mark - position.cost
        for coin, position in account.positions.items()
        if position.lots
    )
    return {
        "address": account.address,
        "time": exchange.now,
        "cash": usd_text(margin.equity(exchange, account) - unrealised),
        "paid_in": usd_text(account.paid_in),
        "spot": account_state.spot(exchange, account)["balances"],
        "positions": {
            coin: {
                "size": exchange.market(coin).listing.size_text(position.lots),
                "cost": usd_text(position.cost),
                "isolated": position.isolated,
            }
            for coin, position in account.positions.items()
            if position.lots
        },
        "open": queries.frontend_orders(exchange, account),
        "orders": queries.history(exchange, account),
        "fills": list(account.fills),
        "fundings": list(account.fundings),
        "updates": list(account.updates),
    }


def books(exchange: Exchange) -> dict[str, Any]:
    """Summary of every account, and the sums that must be 0."""
    coins = {coin for account in exchange.accounts.values() for coin in account.positions}
    return {
        "accounts": {address: _summary_row(account) for address, account in exchange.accounts.items()},
        "gaps": {
            "cash": cash_gap(exchange),
            **{coin: gap for coin in sorted(coins) if (gap := positions_sum(exchange, coin))},
        },
    }
