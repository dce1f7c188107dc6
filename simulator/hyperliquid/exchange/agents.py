"""Agents (API wallets), sub-accounts, and approved builder fees."""

import re
from collections.abc import Callable
from typing import Any

from simulator.hyperliquid.exchange import action_parser
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Agent, Exchange
from simulator.hyperliquid.exchange.errors import Refused
from simulator.markets.numbers import mix, seed_of

Action = dict[str, Any]
DEFAULT = {"type": "default"}
DAY = 86_400_000
MAX_AGENT_LIFETIME = 180 * DAY
NAMED_AGENTS = 3
NAMED_PER_SUB_ACCOUNT = 2
MILLION = 1_000_000
_NAME = re.compile(r"(?P<name>.*?)(?: valid_until (?P<until>\d{1,16}))?", re.DOTALL)
_FEE = re.compile(r"(\d+(?:\.\d{1,3})?)%")
MAX_BUILDER_FEE = 1_000  # tenths of a basis point: one per cent, as on spot


# --- lookups -----------------------------------------------------------------------------------
def agent_alive(exchange: Exchange, agent: Agent) -> bool:
    return agent.valid_until is None or exchange.now < agent.valid_until


def account_of(exchange: Exchange, signer: str) -> Account | None:
    """The account that a signer trades for: its own, or the master of an agent."""
    agent = exchange.agents.get(signer)
    if agent is not None:
        return exchange.accounts[agent.master] if agent_alive(exchange, agent) else None
    account = exchange.accounts.get(signer)
    return account if account and account.master is None else None


def acting_for(exchange: Exchange, master: Account, vault: str | None) -> Account:
    """The sub-account that a request names, or the master itself."""
    if vault is None:
        return master
    account = exchange.accounts.get(vault)
    if account is None or account.master != master.address:
        raise Refused(f"Vault not registered: {vault}")
    return account


def agents_of(exchange: Exchange, master: str) -> list[Agent]:
    return [agent for agent in exchange.agents.values() if agent.master == master]


def sub_accounts_of(exchange: Exchange, master: str) -> list[Account]:
    return [account for account in exchange.accounts.values() if account.master == master]


# --- agents ------------------------------------------------------------------------------------
def approve_agent(exchange: Exchange, account: Account, action: Action) -> Action:
    """Register an agent. Approving an existing name (or the unnamed agent) replaces it and deletes its nonces."""
    address = action_parser.address(action.get("agentAddress"))
    name, until = _name(exchange, action_parser.text(action.get("agentName") or ""))
    if address in exchange.accounts or address in exchange.agents:
        raise Refused("Agent address is already used.")
    existing = agents_of(exchange, account.address)
    for old in [agent for agent in existing if agent.name == name or not agent_alive(exchange, agent)]:
        _prune(exchange, old)
    named = [agent for agent in agents_of(exchange, account.address) if agent.name]
    max_named = NAMED_AGENTS + NAMED_PER_SUB_ACCOUNT * len(sub_accounts_of(exchange, account.address))
    if name and len(named) >= max_named:
        raise Refused("Too many extra agents.")
    exchange.agents[address] = Agent(address, account.address, name, until)
    exchange.touched.agents.add(address)
    return DEFAULT


def _name(exchange: Exchange, text: str) -> tuple[str, int | None]:
    """Name and expiry (ms) from `name valid_until <ms>`."""
    if not text:
        return "", None
    found = _NAME.fullmatch(text)
    name, until = (found["name"], found["until"]) if found else (text, None)
    if not 1 <= len(name) <= 16:
        raise Refused("Extra agent name must be between 1 and 16 characters long")
    latest = exchange.now + MAX_AGENT_LIFETIME
    if until is None:
        return name, latest
    if not exchange.now < int(until) <= latest:
        raise Refused("Invalid agent expiration.")
    return name, int(until)


def _prune(exchange: Exchange, agent: Agent) -> None:
    del exchange.agents[agent.address]
    exchange.signers.pop(agent.address, None)
    exchange.touched.agents.add(agent.address)


# --- sub-accounts ------------------------------------------------------------------------------
def create_sub_account(exchange: Exchange, account: Account, action: Action) -> Action:
    name = action_parser.text(action.get("name"))
    required = exchange.rules.sub_account_volume
    if account.volume < required * MILLION:
        raise Refused(f"Cannot create sub-account until enough volume traded. Required: ${required}.")
    siblings = sub_accounts_of(exchange, account.address)
    if not 1 <= len(name) <= 16 or any(sibling.name == name for sibling in siblings):
        raise Refused("Invalid sub-account name.")
    key = seed_of(account.address)
    address = "0x" + "".join(f"{mix(key, len(siblings), part):016x}" for part in range(3))[:40]
    exchange.accounts[address] = Account(address, master=account.address, name=name)
    exchange.touched.accounts.add(address)
    return {"type": "createSubAccount", "data": address}


# --- builders and the rest ---------------------------------------------------------------------
def approve_builder_fee(exchange: Exchange, account: Account, action: Action) -> Action:
    found = _FEE.fullmatch(action_parser.text(action.get("maxFeeRate")))
    if found is None:
        raise Refused("Invalid builder fee.")
    tenths = round(float(found[1]) * 1000)
    if tenths > MAX_BUILDER_FEE:
        raise Refused("Builder fee is too high.")
    account.builders[action_parser.address(action.get("builder"))] = tenths
    exchange.mark_dirty(account)
    return DEFAULT


def set_referrer(exchange: Exchange, account: Account, action: Action) -> Action:
    code = action_parser.text(action.get("code"))
    if account.referrer is not None:
        raise Refused("Referrer already set.")
    account.referrer = code
    exchange.mark_dirty(account)
    return DEFAULT


_MODES = {"i": "disabled", "u": "unifiedAccount", "p": "portfolioMargin"} | {
    name: name for name in ("disabled", "unifiedAccount", "portfolioMargin", "dexAbstraction", "default")
}


def set_abstraction(exchange: Exchange, account: Account, action: Action) -> Action:
    """Store the mode and report it; margin is still computed as for the default account mode."""
    mode = _MODES.get(action_parser.text(action.get("abstraction")))
    if mode is None:
        raise Refused("Invalid abstraction.")
    account.abstraction = mode
    exchange.mark_dirty(account)
    return DEFAULT


def reserve_weight(exchange: Exchange, account: Account, action: Action) -> Action:
    """Buy extra requests at 0.0005 USDC each."""
    weight = action_parser.whole(action.get("weight"), 1)
    cost = weight * 500
    if account.raw < cost:
        raise Refused("Insufficient balance to reserve request weight")
    account.raw -= cost
    account.bought += weight
    exchange.fees["USD"] = exchange.fees.get("USD", 0) + cost
    exchange.mark_dirty(account)
    return DEFAULT


def no_op(exchange: Exchange, account: Account, action: Action) -> Action:
    """Accepted without effect, except that the nonce is used."""
    return DEFAULT


HANDLERS: dict[str, Callable[[Exchange, Account, Action], Action]] = {
    "approveAgent": approve_agent,
    "approveBuilderFee": approve_builder_fee,
    "createSubAccount": create_sub_account,
    "setReferrer": set_referrer,
    "agentSetAbstraction": set_abstraction,
    "userSetAbstraction": set_abstraction,
    "reserveRequestWeight": reserve_weight,
    "noop": no_op,
    "claimRewards": no_op,
    "evmUserModify": no_op,
    "tokenDelegate": no_op,
}
