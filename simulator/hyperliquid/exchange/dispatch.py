"""`POST /exchange`: recovers the signer, checks permission and limits, runs the action, builds the response."""

from collections.abc import Callable
from typing import Any, NamedTuple

from simulator.hyperliquid.exchange import (
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
from simulator.hyperliquid.exchange.accounts import Account
from simulator.hyperliquid.exchange.core import Exchange
from simulator.hyperliquid.exchange.errors import Refused, Unprocessable
from simulator.hyperliquid.exchange.nonces import NonceWindow

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
    """The parsed body of a request."""

    action: Action
    kind: str
    nonce: int
    signature: bytes
    vault: str | None
    expires_after: int | None


def envelope(body: Any) -> Envelope:
    """Parse a request body. Raises `Unprocessable`."""
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
    """HTTP status and body of the response; a string body is plain text."""
    try:
        request = envelope(body)
        return 200, {"status": "ok", "response": _handled(exchange, request)}
    except Unprocessable:
        return 422, UNPROCESSABLE
    except Refused as refusal:
        return 200, {"status": "err", "response": str(refusal)}


def _handled(exchange: Exchange, request: Envelope) -> Action:
    user_signed = signature_recovery.USER_SIGNED.get(request.kind)
    account = _master(exchange, request, user_signed) if user_signed else _trader(exchange, request)
    if request.expires_after is not None and request.expires_after < exchange.now:
        action_limits.spend(exchange, account, request.action, times=action_limits.EXPIRED_ACTION_COST)
        raise Refused(errors.EXPIRED)
    action_limits.allow(exchange, account, request.action)
    action_limits.spend(exchange, account, request.action)
    return HANDLERS[request.kind](exchange, account, request.action)


def _master(exchange: Exchange, request: Envelope, kind: signature_recovery.UserSigned) -> Account:
    """The account that signed an action on its own funds (never an agent)."""
    signer = signature_recovery.user_signer(request.action, kind, request.signature)
    if request.action[kind.nonce] != request.nonce or request.expires_after is not None:
        raise Refused("Invalid nonce: nonce of the action and of the request differ")
    account = exchange.accounts.get(signer)
    if account is None:
        raise errors.must_deposit(signer)
    _admit(exchange, signer, request.nonce)
    return account


def _trader(exchange: Exchange, request: Envelope) -> Account:
    """The account that an order is for. The signer must be a master account or an unexpired agent."""
    signers = signature_recovery.l1_signers(
        request.action,
        request.nonce,
        request.signature,
        vault=request.vault,
        expires_after=request.expires_after,
    )
    strict, recovered = exchange.rules.strict_source, []
    for source, signer in zip(signature_recovery.SOURCES, signers, strict=False):
        if strict not in (None, source):
            continue
        recovered.append(signer)
        account = agents.account_of(exchange, signer)
        if account is not None and not (request.kind in MASTERS_ONLY and signer in exchange.agents):
            _admit(exchange, signer, request.nonce)
            return agents.acting_for(exchange, account, request.vault)
    raise errors.unknown_wallet(recovered[0])


def _admit(exchange: Exchange, signer: str, nonce: int) -> None:
    exchange.signers.setdefault(signer, NonceWindow()).admit(nonce, exchange.now)
    exchange.touched.nonces.append((signer, nonce))
