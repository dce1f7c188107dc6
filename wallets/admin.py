"""Admin of wallets, orders and the ledger: read-only, with actions for the trading state. No sealed keys.

Rows cannot be edited; the actions call a service and require recent authentication.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from unfold import decorators

from accounts.admin import RoleModelAdmin, requires_step_up
from accounts.authentication import SignedInHttpRequest
from accounts.domain.permissions import Role
from accounts.selectors import acting_role
from wallets import models
from wallets.domain.status import TradingState
from wallets.services import trading_state_set
from wallets.services.controls import Scope

action: Callable[..., Callable[[Any], Any]] = decorators.action
Rows = QuerySet[Any]
REASON = "set by an administrator"
ACTION_LABELS = {
    TradingState.HALTED: _("Halt trading"),
    TradingState.REDUCING: _("Reduce-only mode"),
    TradingState.ACTIVE: _("Resume trading"),
}


def trading_state_action(
    state: TradingState, scope: Scope, targets_text: Promise, of: Callable[[Any], Any]
) -> Any:
    """An action that sets the trading state of `of(row)` for each selected row."""

    def set_state(self: RoleModelAdmin, request: SignedInHttpRequest, rows: Rows) -> None:
        targets = {str(getattr(target, "pk", target)): target for target in map(of, rows)}
        for target in targets.values():
            trading_state_set(
                actor=request.user, scope=scope, target=target, state=state, reason=REASON, http=request
            )
        self.message_user(request, f"{ACTION_LABELS[state]}: {len(targets)}.", messages.SUCCESS)

    set_state.__name__ = f"{scope}_{state.value}"
    return action(description=format_lazy("{}: {}", ACTION_LABELS[state], targets_text), permissions=["act"])(
        requires_step_up("admin.trading_state")(set_state)
    )


def trading_state_actions(scope: Scope, targets_text: Promise, of: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The actions for all trading states of one scope."""
    return tuple(trading_state_action(state, scope, targets_text, of) for state in ACTION_LABELS)


class ReadOnlyTradingAdmin(RoleModelAdmin):
    """Support staff and administrators read the rows of all users; administrators set trading states."""

    kind = "wallet"
    show_full_result_count = False

    def has_act_permission(self, request: HttpRequest) -> bool:
        return acting_role(request.user) is Role.ADMINISTRATOR

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [field.name for field in self.model._meta.fields]


@admin.register(models.Wallet)
class WalletAdmin(ReadOnlyTradingAdmin):
    list_display = (
        "label",
        "user",
        "venue",
        "status",
        "trading_state",
        "stream_status",
        "equity",
        "reconciled_at",
    )
    list_filter = ("status", "trading_state", "venue", "stream_status")
    search_fields = ("label", "user__email", "address", "signer_address", "id")
    list_select_related = ("user", "venue")
    actions = (
        *trading_state_actions("wallet", _("selected wallets"), lambda wallet: wallet),
        *trading_state_actions("user", _("owners of the selected wallets"), lambda wallet: wallet.user),
    )


@admin.register(models.GlobalTradingControl)
class GlobalTradingControlAdmin(ReadOnlyTradingAdmin):
    list_display = ("__str__", "trading_state", "reason", "changed_at")
    actions = trading_state_actions("global", _("all users"), lambda control: control)


@admin.register(models.UserTradingControl)
class UserTradingControlAdmin(ReadOnlyTradingAdmin):
    """Users with a stored trading state; all other users are active."""

    list_display = ("user", "trading_state", "reason", "changed_at")
    list_filter = ("trading_state",)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    actions = trading_state_actions("user", _("selected users"), lambda control: control.user)


# --- orders -------------------------------------------------------------------------------------------
class OrderBookAdmin(ReadOnlyTradingAdmin):
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


# --- ledger -------------------------------------------------------------------------------------------
@admin.register(models.LedgerTransaction)
class LedgerTransferAdmin(ReadOnlyTradingAdmin):
    list_display = ("booked_at", "wallet", "kind", "ref", "instrument", "note")
    list_filter = ("kind",)
    search_fields = ("ref", "wallet__id", "order__id")
    list_select_related = ("wallet", "instrument")
    ordering = ("-id",)


@admin.register(models.LedgerEntry)
class LedgerEntryAdmin(ReadOnlyTradingAdmin):
    list_display = ("id", "wallet", "transaction", "account_type", "asset", "account", "amount")
    list_filter = ("account", "account_type")
    search_fields = ("transaction__ref", "wallet__id", "asset")
    list_select_related = ("wallet", "transaction")
    ordering = ("-id",)


@admin.register(models.Balance)
class BalanceAdmin(ReadOnlyTradingAdmin):
    list_display = ("wallet", "account_type", "asset", "account", "amount")
    list_filter = ("account", "account_type")
    search_fields = ("wallet__id", "wallet__user__email", "asset")
    list_select_related = ("wallet",)


@admin.register(models.Position)
class PositionAdmin(ReadOnlyTradingAdmin):
    list_display = ("wallet", "instrument", "size", "cost", "realised_pnl", "leverage", "liquidation_price")
    search_fields = ("wallet__id", "wallet__user__email", "instrument__symbol")
    list_select_related = ("wallet", "instrument")


# --- custody ------------------------------------------------------------------------------------------
@admin.register(models.SealingKey)
class SealingKeyAdmin(ReadOnlyTradingAdmin):
    """Sealing keys; `manage.py sealing_keys` creates and retires them."""

    list_display = ("kid", "created_at", "retired_at")
    fields = list_display
