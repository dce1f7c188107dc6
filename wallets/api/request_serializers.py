"""Request serializers. Numbers are decimal strings, times ms UTC."""

from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.formatting import plain
from core.numbers import MAX_LENGTH, InvalidNumber, number_parse
from wallets.domain.status import OrderStatus, TradingState
from wallets.models import Order, Wallet

MAX_BATCH = 20
Fields = dict[str, Any]
KINDS = [choice.value for choice in Order.Kind]
TIFS = [choice.value for choice in Order.Tif]
SIDES = [choice.value for choice in Order.Side]
STATUSES = [status.value for status in OrderStatus]
WALLET_STATUSES = [status.value for status in Wallet.Status]
STATES = [state.value for state in TradingState]


@extend_schema_field({"type": "string", "maxLength": MAX_LENGTH, "example": "0.25"})
class Amount(serializers.Field[Decimal, Any, str, Any]):
    """A decimal number as text. JSON numbers lose digits, so only integers are accepted as numbers."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "number": 'Send a decimal number as text, for example "0.25".'
    }

    def to_internal_value(self, data: object) -> Decimal:
        try:
            return number_parse(str(data) if isinstance(data, str) or type(data) is int else "")
        except InvalidNumber:
            self.fail("number")

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


class OrderFields(serializers.Serializer[Fields]):
    """One order. `price` is the limit price, or the worst price of a market type; without one it is computed
    from the best price (or the trigger price) and `slippage_percent`."""

    symbol = serializers.CharField(max_length=60)
    side = serializers.ChoiceField(choices=SIDES)
    order_type = serializers.ChoiceField(choices=KINDS)
    size = Amount(help_text="In base units.")
    price = Amount(required=False, allow_null=True)
    trigger_price = Amount(required=False, allow_null=True, help_text="For stop and take-profit types.")
    time_in_force = serializers.ChoiceField(choices=TIFS, required=False)
    reduce_only = serializers.BooleanField(required=False)
    slippage_percent = Amount(required=False, help_text="Default: 0.5 for market orders, 10 for stops.")
    client_id = serializers.UUIDField(required=False, help_text="A repeated id returns the same order.")


class OrderPlace(OrderFields):
    wallet = serializers.UUIDField()


class OrderBatchBody(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField()
    orders = serializers.ListField(child=OrderFields(), min_length=1, max_length=MAX_BATCH)


class OrderChange(serializers.Serializer[Fields]):
    """A new order replaces the old one; omitted fields keep their value."""

    price = Amount(required=False)
    size = Amount(required=False)
    client_id = serializers.UUIDField(required=False)

    def validate(self, attrs: Fields) -> Fields:
        if not {"price", "size"} & attrs.keys():
            raise serializers.ValidationError("Send a price, a size, or both.")
        return attrs


class CancelAll(serializers.Serializer[Fields]):
    """Filters of the orders to cancel; without any, all open orders of the user."""

    wallet = serializers.UUIDField(required=False)
    symbol = serializers.CharField(required=False, max_length=60)


class OrdersQuery(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField(required=False)
    symbol = serializers.CharField(required=False, max_length=60)
    status = serializers.ChoiceField(choices=STATUSES, required=False)
    live = serializers.BooleanField(required=False, allow_null=True, default=None)


class FillsQuery(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField(required=False)
    symbol = serializers.CharField(required=False, max_length=60)


class WalletCreate(serializers.Serializer[Fields]):
    """A wallet with a given key, with a key generated here (omit `key`), or a simulated account."""

    venue = serializers.SlugField(max_length=40)
    label = serializers.CharField(max_length=60)  # type: ignore[assignment]  # a declared field, not the serializer's argument
    address = serializers.CharField(max_length=80, required=False, help_text="The account at the exchange.")
    key = serializers.CharField(
        max_length=80,
        required=False,
        write_only=True,
        help_text="Key of an API wallet, hexadecimal. Never shown again.",
    )
    simulated = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: Fields) -> Fields:
        if attrs["simulated"] and {"address", "key"} & attrs.keys():
            raise serializers.ValidationError(
                "A simulated account has its own address and key; do not send them."
            )
        if not attrs["simulated"] and "address" not in attrs:
            raise serializers.ValidationError({"address": "Enter the account address at the exchange."})
        return attrs


class LimitsBody(serializers.Serializer[Fields]):
    """Trading limits of a wallet. Null: the server's default."""

    max_order_notional = Amount(required=False, allow_null=True)
    max_daily_notional = Amount(required=False, allow_null=True)
    max_position_notional = Amount(required=False, allow_null=True)
    max_leverage = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=100)
    price_band_percent = Amount(required=False, allow_null=True)
    orders_per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10_000
    )


class WalletChange(LimitsBody):
    label = serializers.CharField(max_length=60, required=False)  # type: ignore[assignment]  # a declared field, not the serializer's argument


class TradingStateBody(serializers.Serializer[Fields]):
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class KeyReplace(serializers.Serializer[Fields]):
    key = serializers.CharField(
        max_length=80, write_only=True, help_text="Key of an API wallet, hexadecimal."
    )


class LeverageBody(serializers.Serializer[Fields]):
    symbol = serializers.CharField(max_length=60)
    leverage = serializers.IntegerField(min_value=1, max_value=100)
