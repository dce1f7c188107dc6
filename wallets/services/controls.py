"""The switches: may a wallet, a user, or the whole house trade? Each turn is in the audit trail."""

from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts.audit import AuditAction, record
from accounts.domain.permissions import Role
from accounts.selectors import role_of
from wallets.domain.errors import NotFound, WalletRefused
from wallets.domain.status import STRICTNESS, TradingState
from wallets.models import HouseControl, TraderControl, Wallet
from wallets.services.nudges import execution_nudge

Scope = Literal["house", "user", "wallet"]


def trading_state_set(
    *, actor: Any, scope: Scope, target: Any, state: TradingState | str, reason: str, http: Any = None
) -> None:
    """Set the trading state of a wallet (`target`: its row or id), a user (the user) or the house (None).

    Owners switch their wallets, but do not loosen what an administrator made stricter (`WalletRefused`);
    users and the house are for administrators, whose word counts over it.
    Pending orders that the new state forbids are denied before anything else is sent; what is at the
    venue stays there. Raises `PermissionDenied`, or `NotFound` for somebody else's wallet.
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


def _wallet_set(actor: Any, target: Any, state: TradingState, reason: str) -> tuple[str, str]:
    wallets = Wallet.objects.select_for_update(no_key=True, of=("self",))
    wallet = wallets.filter(pk=getattr(target, "pk", target)).first()
    if wallet is None or not (wallet.user_id == actor.pk or _is_administrator(actor)):
        raise NotFound("There is no such wallet.")
    before = wallet.trading_state
    looser = STRICTNESS.index(state) < STRICTNESS.index(TradingState(before))
    if looser and wallet.stopped_by_house and not _is_administrator(actor):
        raise WalletRefused(
            "An administrator stopped this wallet; only an administrator lets it trade again."
        )
    if wallet.user_id != actor.pk or state is TradingState.ACTIVE:
        wallet.stopped_by_house = state is not TradingState.ACTIVE
    wallet.trading_state, wallet.trading_reason = state.value, reason
    wallet.save(update_fields=["trading_state", "trading_reason", "stopped_by_house"])
    execution_nudge(wallet.pk)
    return str(before), f"wallet:{wallet.pk}"


def _user_set(actor: Any, target: Any, state: TradingState, reason: str) -> tuple[str, str]:
    _check_administrator(actor)
    before = TraderControl.objects.select_for_update(no_key=True).filter(user=target).first()
    values = {"trading_state": state.value, "reason": reason}
    TraderControl.objects.update_or_create(user=target, defaults=values)
    for wallet_id in Wallet.objects.filter(user=target).values_list("pk", flat=True):
        execution_nudge(wallet_id)
    return _state_of(before), f"user:{target.pk}"


def _house_set(actor: Any, target: Any, state: TradingState, reason: str) -> tuple[str, str]:
    _check_administrator(actor)
    before = HouseControl.objects.select_for_update(no_key=True).filter(pk=1).first()
    HouseControl.objects.update_or_create(pk=1, defaults={"trading_state": state.value, "reason": reason})
    return _state_of(before), "house:1"


_SET = {"wallet": _wallet_set, "user": _user_set, "house": _house_set}


def _state_of(control: TraderControl | HouseControl | None) -> str:
    return str(control.trading_state) if control else TradingState.ACTIVE.value


def _is_administrator(actor: Any) -> bool:
    return role_of(actor) is Role.ADMINISTRATOR


def _check_administrator(actor: Any) -> None:
    if not _is_administrator(actor):
        raise PermissionDenied("Only an administrator may do this.")
