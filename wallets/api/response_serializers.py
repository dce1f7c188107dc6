"""What goes out, for OpenAPI; `bodies` writes it. Numbers are decimal strings, times ms UTC."""

from typing import Any

from rest_framework import serializers

from wallets.api import payloads
from wallets.api.request_serializers import KINDS, SIDES, STATUSES, TIFS, WALLET_STATUSES, Limits
from wallets.models import Fill, LedgerEntry, LedgerTransfer, Order, Position, Wallet

Fields = dict[str, Any]


class DecimalText(serializers.CharField):
    """A decimal number written out, no exponent."""


class OrderBody(serializers.ModelSerializer[Order]):
    """Null: not known, or not of this kind."""

    wallet = serializers.UUIDField()
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    kind = serializers.ChoiceField(choices=KINDS)
    tif = serializers.ChoiceField(choices=TIFS)
    status = serializers.ChoiceField(choices=STATUSES)
    price = DecimalText(help_text="The limit, or the worst that is accepted.")
    trigger_price = DecimalText(allow_null=True)
    size = DecimalText()
    filled = DecimalText()
    average_price = DecimalText(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())
    cancel_asked = serializers.BooleanField()
    created_at = serializers.IntegerField()
    updated_at = serializers.IntegerField()

    class Meta:
        model = Order
        fields = (
            "id", "client_id", "wallet", "venue", "symbol", "side", "kind", "tif", "reduce_only", "price",
            "trigger_price", "size", "filled", "average_price", "status", "code", "message", "origin",
            "replaces", "flags", "cancel_asked", "created_at", "updated_at",
        )  # fmt: skip

    def to_representation(self, instance: Order) -> Any:
        return payloads.order_body(instance)


class FillBody(serializers.ModelSerializer[Fill]):
    order = serializers.UUIDField()
    wallet = serializers.UUIDField()
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    price = DecimalText()
    size = DecimalText()
    fee = DecimalText(help_text="Above zero: paid.")
    closed_pnl = DecimalText(help_text="Before fees.")

    class Meta:
        model = Fill
        fields = (
            "id", "order", "wallet", "venue", "symbol", "side", "price", "size", "fee", "fee_asset",
            "closed_pnl", "taker", "liquidation", "trade_id", "time",
        )  # fmt: skip

    def to_representation(self, instance: Fill) -> Any:
        return payloads.fill_body(instance)


class Refusal(serializers.Serializer[Fields]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()


class BatchItem(serializers.Serializer[Fields]):
    """Either an order (which may be a denied one) or nothing but the error."""

    order = OrderBody(allow_null=True)
    error = Refusal(allow_null=True)


class BatchAnswer(serializers.Serializer[Fields]):
    results = BatchItem(many=True)


class CancelAnswer(serializers.Serializer[Fields]):
    cancelling = serializers.IntegerField(help_text="How many orders are cancelled, or will be at the venue.")


class SignerBody(serializers.Serializer[Fields]):
    """The key that trades for a wallet. What it may do was checked at the venue: never withdraw."""

    address = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    expires_at = serializers.IntegerField(allow_null=True)
    checked_at = serializers.IntegerField(allow_null=True)


class WalletBody(serializers.ModelSerializer[Wallet]):
    venue = serializers.SlugField()
    simulated = serializers.BooleanField()
    status = serializers.ChoiceField(choices=WALLET_STATUSES)
    signer = SignerBody()
    limits = Limits()
    equity = DecimalText(allow_null=True, help_text="Of the perp pot, as the venue said last.")
    residual = serializers.DictField(
        child=serializers.CharField(), help_text="pot:asset → what the venue has more than our books."
    )
    created_at = serializers.IntegerField()
    reconciled_at = serializers.IntegerField(allow_null=True)

    class Meta:
        model = Wallet
        fields = (
            "id", "venue", "simulated", "label", "address", "status", "status_reason", "signer",
            "trading_state", "trading_reason", "stopped_by_house", "limits", "stream", "equity", "residual",
            "created_at", "reconciled_at",
        )  # fmt: skip

    def to_representation(self, instance: Wallet) -> Any:
        return payloads.wallet_body(instance)


class BalanceBody(serializers.Serializer[Fields]):
    pot = serializers.ChoiceField(choices=["perp", "spot"])
    asset = serializers.CharField()
    available = DecimalText()
    reserved = DecimalText()
    total = DecimalText()


class PositionBody(serializers.ModelSerializer[Position]):
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    size = DecimalText(help_text="Below zero: short.")
    entry_price = DecimalText(allow_null=True)
    mark = DecimalText(allow_null=True)
    unrealised = DecimalText(allow_null=True)
    realised = DecimalText(help_text="Before fees, ever.")
    fees = DecimalText()
    funding = DecimalText()
    margin_used = DecimalText()
    liquidation_price = DecimalText(allow_null=True)

    class Meta:
        model = Position
        fields = (
            "venue", "symbol", "size", "entry_price", "mark", "unrealised", "realised", "fees", "funding",
            "leverage", "isolated", "margin_used", "liquidation_price",
        )  # fmt: skip


class EntryBody(serializers.ModelSerializer[LedgerEntry]):
    amount = DecimalText()
    transfer = serializers.IntegerField()
    ref = serializers.CharField()
    kind = serializers.CharField()
    time = serializers.IntegerField()

    class Meta:
        model = LedgerEntry
        fields = ("id", "transfer", "ref", "kind", "pot", "asset", "account", "amount", "time")

    def to_representation(self, instance: LedgerEntry) -> Any:
        return payloads.entry_body(instance)


class LegBody(serializers.Serializer[Fields]):
    pot = serializers.ChoiceField(choices=["perp", "spot"])
    asset = serializers.CharField()
    account = serializers.CharField()
    amount = DecimalText()


class TransferBody(serializers.ModelSerializer[LedgerTransfer]):
    """One event in the books; its entries sum to zero per asset."""

    order = serializers.UUIDField(allow_null=True)
    entries = LegBody(many=True)

    class Meta:
        model = LedgerTransfer
        fields = ("id", "ref", "kind", "order", "note", "time", "entries")

    def to_representation(self, instance: LedgerTransfer) -> Any:
        return payloads.transfer_body(instance)


class Page(serializers.Serializer[Fields]):
    """All of it: these lists are short."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BalancePage(Page):
    results = BalanceBody(many=True)


class PositionPage(Page):
    results = PositionBody(many=True)
