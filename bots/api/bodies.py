"""What goes in and out. Numbers are decimal strings, times ms UTC; null: not known, or not yet."""

from typing import Any

from rest_framework import serializers

from bots.models import Bot, BotEvent, StopPolicies
from market.domain.figures import plain

Fields = dict[str, Any]


class Moment(serializers.IntegerField):
    """ms since 1970, UTC."""

    def to_representation(self, value: Any) -> int:
        return int(value.timestamp() * 1000)


class Figure(serializers.CharField):
    """A decimal number written out, no exponent."""

    def to_representation(self, value: Any) -> str:
        return plain(value)


# --- out -------------------------------------------------------------------------------------------------
class StrategyBody(serializers.Serializer[Fields]):
    key = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema of its inputs, draft 2020-12")


class StrategyPage(serializers.Serializer[Fields]):
    """All of them: there is no second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = StrategyBody(many=True)


class BotBody(serializers.ModelSerializer[Bot]):
    venue = serializers.CharField(source="instrument.venue_id")
    symbol = serializers.CharField(source="instrument.symbol")
    wallet = serializers.UUIDField(source="wallet_id")
    budget = Figure(help_text="In quote units.")
    heartbeat_at = Moment(allow_null=True)
    checked_at = Moment(allow_null=True, help_text="When the reason was last true.")
    created_at = Moment()
    archived_at = Moment(allow_null=True)

    class Meta:
        model = Bot
        fields = (
            "id", "name", "strategy", "wallet", "venue", "symbol", "budget", "leverage", "status", "reason",
            "checked_at", "trace", "heartbeat_at", "desired", "stop_policy", "inputs_version", "created_at",
            "archived_at",
        )  # fmt: skip


class EventBody(serializers.ModelSerializer[BotEvent]):
    run = serializers.UUIDField(source="run_id", allow_null=True)
    body = serializers.DictField()
    created_at = Moment()

    class Meta:
        model = BotEvent
        fields = ("id", "run", "number", "kind", "text", "body", "created_at")


class BotOrderBody(serializers.Serializer[Any]):
    """An order of a bot; all of it is at `/orders/{id}`."""

    id = serializers.UUIDField(source="pk")
    client_id = serializers.UUIDField()
    side = serializers.CharField()
    kind = serializers.CharField()
    price = Figure()
    size = Figure()
    filled = Figure()
    status = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    why = serializers.DictField(help_text="level, number, event, inputs version, code hash")
    created_at = Moment()


class BotFillBody(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    order = serializers.UUIDField(source="order_id")
    side = serializers.CharField()
    price = Figure()
    size = Figure()
    fee = Figure(help_text="Above zero: paid.")
    fee_asset = serializers.CharField()
    time = serializers.IntegerField()


# --- in --------------------------------------------------------------------------------------------------
class BotCreate(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField()
    symbol = serializers.CharField(max_length=60)
    strategy = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    budget = serializers.DecimalField(max_digits=20, decimal_places=8)
    leverage = serializers.IntegerField(required=False, default=1, min_value=1, max_value=200)
    inputs = serializers.DictField(required=False, default=dict)


class BotChange(serializers.Serializer[Fields]):
    inputs = serializers.DictField()


class BotStopBody(serializers.Serializer[Fields]):
    policy = serializers.ChoiceField(choices=StopPolicies.choices)
