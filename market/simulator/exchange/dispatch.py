"""`POST /exchange`: who signed, whether they may, and the answer. One function from body to reply."""

from collections.abc import Callable
from typing import Any, NamedTuple

from market.simulator.exchange import (
    action_limits,
    action_parser,
    agents,
    errors,
    leverage,
    order_actions,
    signature_recovery,
    transfers,
    twap,
)
from market.simulator.exchange.accounts import Account
from market.simulator.exchange.core import Exchange
from market.simulator.exchange.errors import Refused, Unprocessable
from market.simulator.exchange.nonces import NonceLine

Action = dict[str, Any]
Handler = Callable[[Exchange, Account, Action], Action]
UNPROCESSABLE = "Failed to deserialize the JSON body into the target type"
HANDLERS: dict[str, Handler] = {
    **order_actions.HANDLERS,
    **agents.HANDLERS,
    **transfers.HANDLERS,
    **leverage.HANDLERS,
    **twap.HANDLERS,
}
MASTERS_ONLY = {"createSubAccount", "subAccountTransfer", "subAccountSpotTransfer", "vaultTransfer"}


class Envelope(NamedTuple):
    """The body of a request, read."""

    action: Action
    kind: str
    nonce: int
    signature: bytes
    vault: str | None
    expires_after: int | None


def envelope(body: Any) -> Envelope:
    """Raises `Unprocessable`."""
    action = body.get("action") if isinstance(body, dict) else None
    if not isinstance(action, dict) or action.get("type") not in HANDLERS:
        raise Unprocessable
    expires = body.get("expiresAfter")
    return Envelope(
        action,
        action["type"],
        action_parser.whole(body.get("nonce")),
        signature_recovery.signature_parse(body.get("signature")),
        action_parser.address(body["vaultAddress"]) if body.get("vaultAddress") else None,
        None if expires is None else action_parser.whole(expires),
    )


def handle(exchange: Exchange, body: Any) -> tuple[int, Any]:
    """Status and body; a string body is plain text."""
    try:
        said = envelope(body)
        return 200, {"status": "ok", "response": _handled(exchange, said)}
    except Unprocessable:
        return 422, UNPROCESSABLE
    except Refused as refusal:
        return 200, {"status": "err", "response": str(refusal)}


def _handled(exchange: Exchange, said: Envelope) -> Action:
    user_signed = signature_recovery.USER_SIGNED.get(said.kind)
    account = _master(exchange, said, user_signed) if user_signed else _trader(exchange, said)
    if said.expires_after is not None and said.expires_after < exchange.now:
        action_limits.spend(exchange, account, said.action, times=action_limits.EXPIRED_COSTS)
        raise Refused(errors.EXPIRED)
    action_limits.allow(exchange, account, said.action)
    action_limits.spend(exchange, account, said.action)
    return HANDLERS[said.kind](exchange, account, said.action)


def _master(exchange: Exchange, said: Envelope, kind: signature_recovery.UserSigned) -> Account:
    """The owner who signed an action of their own money."""
    signer = signature_recovery.user_signer(said.action, kind, said.signature)
    if said.action[kind.nonce] != said.nonce or said.expires_after is not None:
        raise Refused("Invalid nonce: nonce of the action and of the request differ")
    account = exchange.accounts.get(signer)
    if account is None:
        raise errors.must_deposit(signer)
    _admit(exchange, signer, said.nonce)
    return account


def _trader(exchange: Exchange, said: Envelope) -> Account:
    """The account that an order is for. Whoever signed must be a master or a living agent."""
    found = signature_recovery.l1_signers(
        said.action, said.nonce, said.signature, vault=said.vault, expires_after=said.expires_after
    )
    strict, tried = exchange.rules.strict_source, []
    for source, signer in zip(signature_recovery.SOURCES, found, strict=False):
        if strict not in (None, source):
            continue
        tried.append(signer)
        account = agents.account_of(exchange, signer)
        if account is not None and not (said.kind in MASTERS_ONLY and signer in exchange.agents):
            _admit(exchange, signer, said.nonce)
            return agents.acting_for(exchange, account, said.vault)
    raise errors.unknown_wallet(tried[0])


def _admit(exchange: Exchange, signer: str, nonce: int) -> None:
    exchange.signers.setdefault(signer, NonceLine()).admit(nonce, exchange.now)
    exchange.touched.nonces.append((signer, nonce))
