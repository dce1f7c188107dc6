"""Wallets, orders and books, to be read; and the switches that stop trading. Sealed keys are in no list.

Nothing is edited by hand: the one act is a service, under a fresh proof.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold import decorators

from accounts.admin import HouseAdmin, fresh
from accounts.domain.permissions import Role
from accounts.selectors import role_of
from wallets import models
from wallets.domain.status import TradingState
from wallets.services import trading_state_set

action: Callable[..., Callable[[Any], Any]] = decorators.action
Rows = QuerySet[Any]
REASON = "by an administrator"
VERBS = {TradingState.HALTED: "Halt", TradingState.REDUCING: "Only reduce", TradingState.ACTIVE: "Resume"}


def switch(state: TradingState, scope: Any, whose: str, of: Callable[[Any], Any]) -> Any:
    """An action that sets the trading state of `of(row)` for each selected row."""

    def turn(self: Any, request: HttpRequest, rows: Rows) -> None:
        targets = {str(getattr(target, "pk", target)): target for target in map(of, rows)}
        for target in targets.values():
            trading_state_set(
                actor=request.user, scope=scope, target=target, state=state, reason=REASON, http=request
            )
        self.message_user(request, f"{VERBS[state]}: {len(targets)}.", messages.SUCCESS)

    turn.__name__ = f"{scope}_{state.value}"
    return action(description=f"{VERBS[state]}: {whose}", permissions=["act"])(
        fresh("admin.trading_state")(turn)
    )


def switches(scope: Any, whose: str, of: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(switch(state, scope, whose, of) for state in VERBS)


class TradingAdmin(HouseAdmin):
    """Support and administrators read everybody's; administrators stop and resume."""

    kind = "wallet"
    show_full_result_count = False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return role_of(request.user) is Role.ADMINISTRATOR

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.register(models.Wallet)
class WalletAdmin(TradingAdmin):
    list_display = ("label", "user", "venue", "status", "trading_state", "stream", "equity", "reconciled_at")
    list_filter = ("status", "trading_state", "venue", "stream")
    search_fields = ("label", "user__email", "address", "signer_address", "id")
    list_select_related = ("user", "venue")
    actions = (
        *switches("wallet", "these wallets", lambda wallet: wallet),
        *switches("user", "the owners of these wallets", lambda wallet: wallet.user),
    )


@admin.register(models.HouseControl)
class HouseControlAdmin(TradingAdmin):
    list_display = ("__str__", "trading_state", "reason", "changed_at")
    actions = switches("house", "everybody", lambda house: house)


@admin.register(models.TraderControl)
class TraderControlAdmin(TradingAdmin):
    """Traders for whom somebody has turned the switch; the others are active."""

    list_display = ("user", "trading_state", "reason", "changed_at")
    list_filter = ("trading_state",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    actions = switches("user", "these traders", lambda control: control.user)


# --- orders --------------------------------------------------------------------------------------------
class OrderBookAdmin(TradingAdmin):
    kind = "order"
    list_per_page = 50


@admin.register(models.Order)
class OrderAdmin(OrderBookAdmin):
    list_display = (
        "created_at", "wallet", "instrument", "side", "kind", "size", "price", "filled", "status", "code",
    )  # fmt: skip
    list_filter = ("status", "origin", "kind", "wallet__venue")
    search_fields = ("id", "client_id", "venue_client_id", "venue_order_id", "wallet__user__email")
    list_select_related = ("wallet", "instrument")
    ordering = ("-created_at",)


@admin.register(models.Submission)
class SubmissionAdmin(OrderBookAdmin):
    list_display = ("created_at", "wallet", "kind", "outcome", "nonce", "valid_until", "answered_at", "epoch")
    list_filter = ("outcome", "kind")
    search_fields = ("wallet__id", "signer", "nonce")
    list_select_related = ("wallet",)
    ordering = ("-id",)


@admin.register(models.Fill)
class FillAdmin(OrderBookAdmin):
    list_display = ("booked_at", "wallet", "instrument", "side", "size", "price", "fee", "fee_asset", "taker")
    list_filter = ("side", "taker", "liquidation")
    search_fields = ("trade_id", "order__id", "wallet__id")
    list_select_related = ("wallet", "instrument")
    ordering = ("-id",)


# --- books ---------------------------------------------------------------------------------------------
@admin.register(models.LedgerTransfer)
class LedgerTransferAdmin(TradingAdmin):
    list_display = ("booked_at", "wallet", "kind", "ref", "instrument", "note")
    list_filter = ("kind",)
    search_fields = ("ref", "wallet__id", "order__id")
    list_select_related = ("wallet", "instrument")
    ordering = ("-id",)


@admin.register(models.LedgerEntry)
class LedgerEntryAdmin(TradingAdmin):
    list_display = ("id", "wallet", "transfer", "pot", "asset", "account", "amount")
    list_filter = ("account", "pot")
    search_fields = ("transfer__ref", "wallet__id", "asset")
    list_select_related = ("wallet", "transfer")
    ordering = ("-id",)


@admin.register(models.Balance)
class BalanceAdmin(TradingAdmin):
    list_display = ("wallet", "pot", "asset", "account", "amount")
    list_filter = ("account", "pot")
    search_fields = ("wallet__id", "wallet__user__email", "asset")
    list_select_related = ("wallet",)


@admin.register(models.Position)
class PositionAdmin(TradingAdmin):
    list_display = ("wallet", "instrument", "size", "cost", "realised", "leverage", "liquidation_price")
    search_fields = ("wallet__id", "wallet__user__email", "instrument__symbol")
    list_select_related = ("wallet", "instrument")


# --- custody -------------------------------------------------------------------------------------------
@admin.register(models.SealingKey)
class SealingKeyAdmin(TradingAdmin):
    """Which keys seal; `manage.py sealing_keys` makes and ends them."""

    list_display = ("kid", "created_at", "retired_at")
    fields = list_display
