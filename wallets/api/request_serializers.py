"""What comes in, validated. Numbers are decimal strings, times ms UTC."""

from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from market.domain.formatting import decimal_parse, plain
from wallets.domain.status import OrderStatus, TradingState
from wallets.models import Order, Wallet

BATCH_MOST = 20
LONGEST = 60  # characters of a number
Fields = dict[str, Any]
KINDS = [choice.value for choice in Order.Kind]
TIFS = [choice.value for choice in Order.Tif]
SIDES = [choice.value for choice in Order.Side]
STATUSES = [status.value for status in OrderStatus]
WALLET_STATUSES = [status.value for status in Wallet.Status]
STATES = [state.value for state in TradingState]


@extend_schema_field({"type": "string", "maxLength": LONGEST, "example": "0.25"})
class Amount(serializers.Field[Decimal, Any, str, Any]):
    """A decimal number as text. JSON's own numbers lose digits, so only whole ones are taken."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "number": 'Write a decimal number as text, for example "0.25".'
    }

    def to_internal_value(self, data: Any) -> Decimal:
        text = str(data) if isinstance(data, str) or type(data) is int else ""
        number = decimal_parse(text) if 0 < len(text) <= LONGEST else None
        if number is None:
            self.fail("number")
        return number

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


class OrderWish(serializers.Serializer[Fields]):
    """One order. `price` is the limit, or the worst price of a market kind; without one the house takes
    the best price (or the trigger) and `slippage_percent`."""

    symbol = serializers.CharField(max_length=60)
    side = serializers.ChoiceField(choices=SIDES)
    kind = serializers.ChoiceField(choices=KINDS)
    size = Amount(help_text="In base units.")
    price = Amount(required=False, allow_null=True)
    trigger_price = Amount(required=False, allow_null=True, help_text="Of stop and take-profit kinds.")
    tif = serializers.ChoiceField(choices=TIFS, required=False)
    reduce_only = serializers.BooleanField(required=False)
    slippage_percent = Amount(required=False, help_text="Left out: 0.5 for orders, 10 for stops.")
    client_id = serializers.UUIDField(required=False, help_text="The same id again is the same order.")


class OrderPlace(OrderWish):
    wallet = serializers.UUIDField()


class OrderBatchBody(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField()
    orders = serializers.ListField(child=OrderWish(), min_length=1, max_length=BATCH_MOST)


class OrderChange(serializers.Serializer[Fields]):
    """A new order takes the place of the old one; what is left out stays."""

    price = Amount(required=False)
    size = Amount(required=False)
    client_id = serializers.UUIDField(required=False)

    def validate(self, attrs: Fields) -> Fields:
        if not {"price", "size"} & attrs.keys():
            raise serializers.ValidationError("Send a price, a size, or both.")
        return attrs


class CancelAll(serializers.Serializer[Fields]):
    """Without either, every live order of yours."""

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
    """A key of yours, one that we make (leave `key` out), or an account at a simulated venue."""

    venue = serializers.SlugField(max_length=40)
    label = serializers.CharField(max_length=60)  # type: ignore[assignment]  # a field of ours, not the serializer's
    address = serializers.CharField(max_length=80, required=False, help_text="The account at the venue.")
    key = serializers.CharField(
        max_length=80,
        required=False,
        write_only=True,
        help_text="Of an API wallet, hexadecimal. Never shown again.",
    )
    simulated = serializers.BooleanField(required=False, default=False)

    def validate(self, attrs: Fields) -> Fields:
        if attrs["simulated"] and {"address", "key"} & attrs.keys():
            raise serializers.ValidationError("A simulated account brings its own address and key.")
        if not attrs["simulated"] and "address" not in attrs:
            raise serializers.ValidationError({"address": "Say which account at the venue."})
        return attrs


class Limits(serializers.Serializer[Fields]):
    """Null: the house's own limit."""

    max_order_notional = Amount(required=False, allow_null=True)
    max_day_notional = Amount(required=False, allow_null=True)
    max_position_notional = Amount(required=False, allow_null=True)
    max_leverage = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=100)
    price_band_percent = Amount(required=False, allow_null=True)
    orders_per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10_000
    )


class WalletChange(Limits):
    label = serializers.CharField(max_length=60, required=False)  # type: ignore[assignment]  # a field of ours, not the serializer's


class StateBody(serializers.Serializer[Fields]):
    state = serializers.ChoiceField(choices=STATES)
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class KeyReplace(serializers.Serializer[Fields]):
    key = serializers.CharField(max_length=80, write_only=True, help_text="Of an API wallet, hexadecimal.")


class LeverageBody(serializers.Serializer[Fields]):
    symbol = serializers.CharField(max_length=60)
    leverage = serializers.IntegerField(min_value=1, max_value=100)
