"""Trading controls: the trading state of a wallet, a user or the whole server. Every change is audited."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest

from accounts.audit import AuditAction, record
from accounts.domain.permissions import Role
from accounts.selectors import acting_role
from wallets.domain.errors import NotFound, WalletRejected
from wallets.domain.status import STRICTNESS, TradingState
from wallets.models import GlobalTradingControl, UserTradingControl, Wallet
from wallets.services.nudges import execution_nudge

if TYPE_CHECKING:
    from accounts.models import User

Scope = Literal["global", "user", "wallet"]


def trading_state_set(
    *,
    actor: "User",
    scope: Scope,
    target: Any,
    state: TradingState | str,
    reason: str,
    http: HttpRequest | None = None,
) -> None:
    """Set the trading state of a wallet (`target`: row or id), a user (`target`: the user) or globally (None).

    Owners set the state of their wallets, but cannot loosen what an administrator made stricter
    (`WalletRejected`); the user and global scopes are for administrators.
    Pending orders that the new state forbids are denied before anything else is sent; orders at the venue
    stay open. Raises `PermissionDenied`, or `NotFound` for the wallet of another user.
    """
    state = TradingState(state)
    with transaction.atomic():
        before, subject = _SET[scope](actor, target, state, reason[:200])
        record(
            action=AuditAction.TRADING_STATE_CHANGED,
            actor=actor,
            subject=subject,
            data={"from": before, "to": state.value, "reason": reason[:200]},
            request=http,
        )


def _wallet_set(actor: "User", target: Wallet | UUID, state: TradingState, reason: str) -> tuple[str, str]:
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    wallet = wallets.filter(pk=getattr(target, "pk", target)).first()
    if wallet is None or not (wallet.user_id == actor.pk or _is_administrator(actor)):
        raise NotFound("Wallet not found.")
    before = wallet.trading_state
    looser = STRICTNESS.index(state) < STRICTNESS.index(TradingState(before))
    if looser and wallet.halted_by_admin and not _is_administrator(actor):
        raise WalletRejected("An administrator halted this wallet; only an administrator can resume trading.")
    if wallet.user_id != actor.pk or state is TradingState.ACTIVE:
        wallet.halted_by_admin = state is not TradingState.ACTIVE
    wallet.trading_state, wallet.trading_reason = state.value, reason
    wallet.save(update_fields=["trading_state", "trading_reason", "halted_by_admin"])
    execution_nudge(wallet.pk)
    return str(before), f"wallet:{wallet.pk}"


def _user_set(actor: "User", target: "User", state: TradingState, reason: str) -> tuple[str, str]:
    _check_administrator(actor)
    before = UserTradingControl.objects.select_for_update(no_key=True).filter(user=target).first()
    values = {"trading_state": state.value, "reason": reason}
    UserTradingControl.objects.update_or_create(user=target, defaults=values)
    for wallet_id in Wallet.objects.filter(user=target).values_list("pk", flat=True):
        execution_nudge(wallet_id)
    return _state_of(before), f"user:{target.pk}"


def _global_set(actor: "User", target: None, state: TradingState, reason: str) -> tuple[str, str]:
    _check_administrator(actor)
    before = GlobalTradingControl.objects.select_for_update(no_key=True).filter(pk=1).first()
    GlobalTradingControl.objects.update_or_create(
        pk=1, defaults={"trading_state": state.value, "reason": reason}
    )
    return _state_of(before), "global:1"


_SET: dict[Scope, Callable[["User", Any, TradingState, str], tuple[str, str]]] = {
    "wallet": _wallet_set,
    "user": _user_set,
    "global": _global_set,
}


def _state_of(control: UserTradingControl | GlobalTradingControl | None) -> str:
    return str(control.trading_state) if control else TradingState.ACTIVE.value


def _is_administrator(actor: "User") -> bool:
    return acting_role(actor) is Role.ADMINISTRATOR


def _check_administrator(actor: "User") -> None:
    if not _is_administrator(actor):
        raise PermissionDenied("Only an administrator may do this.")
