"""Transfers: deposits, withdrawals, and moves between accounts and balances."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from simulator.hyperliquid.exchange import action_parser, margin
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import Refused
from simulator.hyperliquid.exchange.fixed_point import USD, units_of, usd_text
from simulator.hyperliquid.exchange.order_checks import spot_hold
from simulator.hyperliquid.exchange.order_payloads import NO_HASH
from simulator.markets.numbers import decimal_text
from simulator.markets.universe import USDC, spot_meta

Action = dict[str, Any]
DEFAULT = {"type": "default"}
NO_MONEY = "Insufficient balance for withdrawal"
NO_TOKENS = "Insufficient balance for token transfer"
USDC_SPOT = 8
TO_SPOT = 10 ** (USDC_SPOT - USD)


def tokens(exchange: Exchange) -> dict[int, dict[str, Any]]:
    """Metadata of every token, by index."""
    return {row["index"]: row for row in spot_meta(exchange.world.listings)["tokens"]}


def record(exchange: Exchange, account: Account, delta: dict[str, Any]) -> None:
    """Append a row to the account's non-funding ledger, and notify."""
    row = {"time": exchange.now, "hash": NO_HASH, "delta": delta}
    exchange.log("updates", account.address, row)
    exchange.notify(account.address, "ledger", row)


def fund(exchange: Exchange, address: str, units: int) -> Account:
    """Deposit from outside the venue, in millionths of a USDC; the first deposit opens the account."""
    account = _account_open(exchange, address)
    account.raw += units
    account.paid_in += units
    record(exchange, account, {"type": "deposit", "usdc": usd_text(units)})
    return account


def _account_open(exchange: Exchange, address: str) -> Account:
    if address not in exchange.accounts:
        exchange.accounts[address] = Account(address)
    exchange.touched.accounts.add(address)
    return exchange.accounts[address]


def _amount(text: Any, decimals: int) -> int:
    """A positive amount in units. Raises `Refused`, or `Unprocessable` when it is not a number."""
    value: Decimal = action_parser.number(text)
    try:
        units = units_of(value, decimals)
    except ValueError:
        raise Refused("Invalid amount.") from None
    if units <= 0:
        raise Refused("Invalid amount.")
    return units


def _perp_take(exchange: Exchange, account: Account, units: int, message: str = NO_MONEY) -> None:
    if margin.withdrawable(exchange, account) < units:
        raise Refused(message)
    account.raw -= units
    exchange.mark_dirty(account)


def _activation_fee(exchange: Exchange, address: str) -> int:
    """Fee of the first transfer to a new account."""
    return 0 if address in exchange.accounts else exchange.rules.activation_fee * 10**USD


# --- USDC --------------------------------------------------------------------------------------
def usd_send(exchange: Exchange, account: Account, action: Action) -> Action:
    units = _amount(action.get("amount"), USD)
    _perp_send(exchange, account, action_parser.address(action.get("destination")), units)
    return DEFAULT


def _perp_send(exchange: Exchange, account: Account, destination: str, units: int) -> None:
    fee = _activation_fee(exchange, destination)
    if units <= fee:
        raise Refused("Insufficient balance for transfer to a new account")
    _perp_take(exchange, account, units)
    exchange.fees["USD"] = exchange.fees.get("USD", 0) + fee
    receiver = _account_open(exchange, destination)
    receiver.raw += units - fee
    delta = {
        "type": "internalTransfer", "usdc": usd_text(units), "user": account.address,
        "destination": destination, "fee": usd_text(fee),
    }  # fmt: skip
    for party in (account, receiver):
        record(exchange, party, delta)


def withdraw(exchange: Exchange, account: Account, action: Action) -> Action:
    """Withdrawal. There is no bridge: the amount leaves the simulator."""
    units = _amount(action.get("amount"), USD)
    action_parser.address(action.get("destination"))
    fee = exchange.rules.withdraw_fee * 10**USD
    if units <= fee:
        raise Refused(NO_MONEY)
    _perp_take(exchange, account, units)
    account.paid_in -= units - fee
    exchange.fees["USD"] = exchange.fees.get("USD", 0) + fee
    delta = {"type": "withdraw", "usdc": usd_text(units - fee), "nonce": action["time"], "fee": usd_text(fee)}
    record(exchange, account, delta)
    return DEFAULT


def class_transfer(exchange: Exchange, account: Account, action: Action) -> Action:
    """Transfer between the perpetual and spot balances of the account or of the sub-account it names."""
    text, _, sub = action_parser.text(action.get("amount")).partition(" subaccount:")
    owner = _sub_account(exchange, account, action_parser.address(sub)) if sub else account
    _class_move(exchange, owner, _amount(text, USD), to_perp=action_parser.flag(action.get("toPerp")))
    return DEFAULT


def _class_move(exchange: Exchange, owner: Account, units: int, *, to_perp: bool) -> None:
    if to_perp:
        _spot_take(exchange, owner, USDC, units * TO_SPOT)
        owner.raw += units
    else:
        _perp_take(exchange, owner, units, NO_TOKENS)
        owner.holding(USDC).total += units * TO_SPOT
    record(exchange, owner, {"type": "accountClassTransfer", "usdc": usd_text(units), "toPerp": to_perp})


def _sub_account(exchange: Exchange, master: Account, address: str) -> Account:
    sub = exchange.accounts.get(address)
    if sub is None or sub.master != master.address:
        raise Refused(f"Vault not registered: {address}")
    return sub


# --- tokens ------------------------------------------------------------------------------------
def _token(exchange: Exchange, text: Any) -> dict[str, Any]:
    """The token of `NAME:0xtokenId`. Raises `Refused` when unknown."""
    name, _, identity = action_parser.text(text).partition(":")
    for row in tokens(exchange).values():
        if row["name"] == name and identity in ("", row["tokenId"]):
            return row
    raise Refused(f"Unknown token: {text}")


def _spot_take(exchange: Exchange, account: Account, token: int, units: int) -> None:
    holding = account.holding(token)
    if holding.total - spot_hold(exchange, account, token) < units:
        raise Refused(NO_TOKENS)
    holding.entry -= holding.entry * units // holding.total if holding.total else 0
    holding.total -= units
    exchange.mark_dirty(account)


def _spot_move(exchange: Exchange, account: Account, to: str, token: dict[str, Any], text: Any) -> None:
    units = _amount(text, token["weiDecimals"])
    _spot_take(exchange, account, token["index"], units)
    receiver = _account_open(exchange, to)
    receiver.holding(token["index"]).total += units
    delta = {
        "type": "spotTransfer", "token": token["name"], "user": account.address, "destination": to,
        "amount": decimal_text(units, token["weiDecimals"]), "usdcValue": "0.0", "fee": "0.0",
    }  # fmt: skip
    for party in (account, receiver):
        record(exchange, party, delta)


def spot_send(exchange: Exchange, account: Account, action: Action) -> Action:
    destination = action_parser.address(action.get("destination"))
    token = _token(exchange, action.get("token"))
    _spot_move(exchange, account, destination, token, action.get("amount"))
    return DEFAULT


def send_asset(exchange: Exchange, account: Account, action: Action) -> Action:
    """Transfer between balances and accounts. An empty dex is the perpetual balance, "spot" the spot balance."""
    source, target = (
        action_parser.text(action.get("sourceDex")),
        action_parser.text(action.get("destinationDex")),
    )
    if not {source, target} <= {"", "spot"}:
        raise Refused("Invalid dex.")
    sub = action_parser.text(action.get("fromSubAccount") or "")
    owner = _sub_account(exchange, account, action_parser.address(sub)) if sub else account
    destination = action_parser.address(action.get("destination"))
    token = _token(exchange, action.get("token"))
    if source == target == "spot":
        _spot_move(exchange, owner, destination, token, action.get("amount"))
        return DEFAULT
    if token["index"] != USDC:
        raise Refused("Token must be the collateral token.")
    units = _amount(action.get("amount"), USD)
    if source == target:
        _perp_send(exchange, owner, destination, units)
    elif destination == owner.address:
        _class_move(exchange, owner, units, to_perp=source == "spot")
    else:
        raise Refused("Cannot change the balance and the owner at once.")
    return DEFAULT


# --- sub-accounts ------------------------------------------------------------------------------
def sub_account_transfer(exchange: Exchange, account: Account, action: Action) -> Action:
    sub = _sub_account(exchange, account, action_parser.address(action.get("subAccountUser")))
    deposit, units = action_parser.flag(action.get("isDeposit")), action_parser.whole(action.get("usd"), 1)
    giver, receiver = (account, sub) if deposit else (sub, account)
    _perp_take(exchange, giver, units)
    receiver.raw += units
    delta = {
        "type": "subAccountTransfer", "usdc": usd_text(units), "user": giver.address,
        "destination": receiver.address,
    }  # fmt: skip
    for party in (giver, receiver):
        record(exchange, party, delta)
    return DEFAULT


def sub_account_spot_transfer(exchange: Exchange, account: Account, action: Action) -> Action:
    sub = _sub_account(exchange, account, action_parser.address(action.get("subAccountUser")))
    giver, receiver = (account, sub) if action_parser.flag(action.get("isDeposit")) else (sub, account)
    token = _token(exchange, action.get("token"))
    _spot_move(exchange, giver, receiver.address, token, action.get("amount"))
    return DEFAULT


def vault_transfer(exchange: Exchange, account: Account, action: Action) -> Action:
    """Always refused: the simulator has no vaults."""
    raise Refused(f"Vault not registered: {action_parser.address(action.get('vaultAddress'))}")


HANDLERS: dict[str, Callable[[Exchange, Account, Action], Action]] = {
    "usdSend": usd_send,
    "withdraw3": withdraw,
    "usdClassTransfer": class_transfer,
    "spotSend": spot_send,
    "sendAsset": send_asset,
    "subAccountTransfer": sub_account_transfer,
    "subAccountSpotTransfer": sub_account_spot_transfer,
    "vaultTransfer": vault_transfer,
}
