"""Response serializers for OpenAPI; `payloads` builds the bodies. Numbers are decimal strings, times ms UTC."""

from typing import Any

from rest_framework import serializers

from wallets.api import payloads
from wallets.api.request_serializers import KINDS, SIDES, STATUSES, TIFS, WALLET_STATUSES, LimitsBody
from wallets.models import Fill, LedgerEntry, LedgerTransaction, Order, Position, Wallet

Fields = dict[str, Any]


class DecimalText(serializers.CharField):
    """A decimal number as text, without exponent."""


class OrderBody(serializers.ModelSerializer[Order]):
    """An order. Null: not known, or not used by this order type."""

    wallet = serializers.UUIDField()
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    order_type = serializers.ChoiceField(choices=KINDS)
    time_in_force = serializers.ChoiceField(choices=TIFS)
    status = serializers.ChoiceField(choices=STATUSES)
    price = DecimalText(help_text="Limit price, or the worst accepted price.")
    trigger_price = DecimalText(allow_null=True)
    size = DecimalText()
    filled_size = DecimalText()
    average_price = DecimalText(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())
    cancel_requested = serializers.BooleanField()
    created_at = serializers.IntegerField()
    updated_at = serializers.IntegerField()

    class Meta:
        model = Order
        fields = (
            "id", "client_id", "wallet", "venue", "symbol", "side", "order_type", "time_in_force", "reduce_only", "price",
            "trigger_price", "size", "filled_size", "average_price", "status", "code", "message", "origin",
            "replaces", "flags", "cancel_requested", "created_at", "updated_at",
        )  # fmt: skip

    def to_representation(self, instance: Order) -> Any:
        return payloads.order_body(instance)


class FeeLeg(serializers.Serializer[Any]):
    """A fee in one asset."""

    asset = serializers.CharField()
    amount = DecimalText(help_text="Above zero: paid.")


class FillBody(serializers.ModelSerializer[Fill]):
    order = serializers.UUIDField()
    wallet = serializers.UUIDField()
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    price = DecimalText()
    size = DecimalText()
    fee = DecimalText(help_text="Above zero: paid.")
    other_fees = FeeLeg(many=True, help_text="Fees of the same fill in further assets.")
    closed_pnl = DecimalText(help_text="Before fees.")

    class Meta:
        model = Fill
        fields = (
            "id", "order", "wallet", "venue", "symbol", "side", "price", "size", "fee", "fee_asset", "other_fees",
            "closed_pnl", "taker", "liquidation", "trade_id", "time",
        )  # fmt: skip

    def to_representation(self, instance: Fill) -> Any:
        return payloads.fill_body(instance)


class ErrorBody(serializers.Serializer[Fields]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()


class BatchItem(serializers.Serializer[Fields]):
    """An order (possibly a denied one) or an error, or both."""

    order = OrderBody(allow_null=True)
    error = ErrorBody(allow_null=True)


class BatchResponse(serializers.Serializer[Fields]):
    results = BatchItem(many=True)


class CancelResponse(serializers.Serializer[Fields]):
    cancelling = serializers.IntegerField(
        help_text="Number of orders cancelled here or requested to be cancelled at the exchange."
    )


class SignerBody(serializers.Serializer[Fields]):
    """The key that trades for a wallet. It was verified at the exchange that the key cannot withdraw."""

    address = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    expires_at = serializers.IntegerField(allow_null=True)
    checked_at = serializers.IntegerField(allow_null=True)


class WalletBody(serializers.ModelSerializer[Wallet]):
    venue = serializers.SlugField()
    simulated = serializers.BooleanField()
    status = serializers.ChoiceField(choices=WALLET_STATUSES)
    signer = SignerBody()
    limits = LimitsBody()
    equity = DecimalText(allow_null=True, help_text="Of the perp account, as last reported by the exchange.")
    residual = serializers.DictField(
        child=serializers.CharField(),
        help_text="account_type:asset → balance at the exchange less the ledger.",
    )
    created_at = serializers.IntegerField()
    reconciled_at = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Wallet
        fields = (
            "id", "venue", "simulated", "label", "address", "status", "status_reason", "signer",
            "trading_state", "trading_reason", "halted_by_admin", "limits", "stream_status", "equity", "residual",
            "created_at", "reconciled_at",
        )  # fmt: skip

    def to_representation(self, instance: Wallet) -> Any:
        return payloads.wallet_body(instance)


class BalanceBody(serializers.Serializer[Fields]):
    account_type = serializers.ChoiceField(choices=["perp", "spot", "unified"])
    asset = serializers.CharField()
    available = DecimalText()
    reserved = DecimalText()
    total = DecimalText()


class PositionBody(serializers.ModelSerializer[Position]):
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    size = DecimalText(help_text="Below zero: short.")
    entry_price = DecimalText(allow_null=True)
    mark_price = DecimalText(allow_null=True)
    unrealised_pnl = DecimalText(allow_null=True)
    realised_pnl = DecimalText(help_text="Before fees, in total.")
    fees = DecimalText()
    funding = DecimalText()
    margin_used = DecimalText()
    liquidation_price = DecimalText(allow_null=True)

    class Meta:
        model = Position
        fields = (
            "venue", "symbol", "size", "entry_price", "mark_price", "unrealised_pnl", "realised_pnl", "fees", "funding",
            "leverage", "isolated", "margin_used", "liquidation_price",
        )  # fmt: skip


class EntryBody(serializers.ModelSerializer[LedgerEntry]):
    amount = DecimalText()
    transaction = serializers.IntegerField()
    ref = serializers.CharField()
    kind = serializers.CharField()
    time = serializers.IntegerField()

    class Meta:
        model = LedgerEntry
        fields = ("id", "transaction", "ref", "kind", "account_type", "asset", "account", "amount", "time")

    def to_representation(self, instance: LedgerEntry) -> Any:
        return payloads.entry_body(instance)


class EntryLineBody(serializers.Serializer[Fields]):
    account_type = serializers.ChoiceField(choices=["perp", "spot", "unified"])
    asset = serializers.CharField()
    account = serializers.CharField()
    amount = DecimalText()


class TransactionBody(serializers.ModelSerializer[LedgerTransaction]):
    """One ledger transaction; its entries sum to zero per asset."""

    order = serializers.UUIDField(allow_null=True)
    entries = EntryLineBody(many=True)

    class Meta:
        model = LedgerTransaction
        fields = ("id", "ref", "kind", "order", "note", "time", "entries")

    def to_representation(self, instance: LedgerTransaction) -> Any:
        return payloads.transaction_body(instance)


class Page(serializers.Serializer[Fields]):
    """A complete list in one page."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BalancePage(Page):
    results = BalanceBody(many=True)


class PositionPage(Page):
    results = PositionBody(many=True)
