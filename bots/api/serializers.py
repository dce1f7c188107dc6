"""What goes in and out. Numbers are decimal strings, times ms UTC; null: not known, or not yet."""

from typing import Any

from rest_framework import serializers

from bots.models import Bot, BotEvent, Statuses, StopPolicies
from bots.selectors import BotCard
from market.domain.formatting import plain

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


class FiguresBody(serializers.Serializer[Any]):
    """Of all runs of a bot, in quote units. What follows from a price is null without one."""

    size = Figure(help_text="What it holds, in base units; below zero it is short.")
    mark = Figure(allow_null=True)
    profit = Figure(allow_null=True, help_text="Everything, after fees and funding.")
    realised = Figure(help_text="Before fees.")
    unrealised = Figure(allow_null=True)
    fees = Figure(help_text="Above zero: paid.")
    funding = Figure(help_text="Above zero: received.")
    fills = serializers.IntegerField()
    trips = serializers.IntegerField(help_text="From flat to flat.")
    volume = Figure()
    drawdown = Figure(help_text="The deepest fall from a peak of its profit.")
    in_market = serializers.IntegerField(help_text="ms with a position")
    live = serializers.IntegerField(help_text="Orders that may still trade.")


class BotBody(serializers.Serializer[BotCard]):
    """A bot as its card shows it."""

    id = serializers.UUIDField(source="bot.pk")
    name = serializers.CharField(source="bot.name")
    strategy = serializers.CharField(source="bot.strategy")
    wallet = serializers.UUIDField(source="bot.wallet_id")
    venue = serializers.CharField(source="bot.instrument.venue_id")
    symbol = serializers.CharField(source="bot.instrument.symbol")
    budget = Figure(source="bot.budget", help_text="In quote units.")
    leverage = serializers.IntegerField(source="bot.leverage")
    status = serializers.ChoiceField(source="bot.status", choices=Statuses.choices)
    reason = serializers.CharField(source="bot.reason", help_text="Why it is idle, stopped or faulted.")
    why = serializers.CharField(help_text="The reason, or what it is doing, in words: never empty.")
    late = serializers.BooleanField(
        help_text="It should be driven and has not been heard of for ten seconds."
    )
    checked_at = Moment(source="bot.checked_at", allow_null=True, help_text="When the reason was last true.")
    trace = serializers.CharField(source="bot.trace", help_text="Of a fault.")
    heartbeat_at = Moment(source="bot.heartbeat_at", allow_null=True)
    desired = serializers.ChoiceField(source="bot.desired", choices=Bot.Desired.choices)
    stop_policy = serializers.CharField(source="bot.stop_policy")
    inputs_version = serializers.IntegerField(source="bot.inputs_version")
    created_at = Moment(source="bot.created_at")
    archived_at = Moment(source="bot.archived_at", allow_null=True)
    figures = FiguresBody(source="*")


class ChangeBody(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class InputsBody(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    created_at = Moment()
    inputs = serializers.DictField()
    changes = ChangeBody(many=True, help_text="Against the version before it.")


class InputsPage(serializers.Serializer[Fields]):
    """All of them, newest first: there is no second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = InputsBody(many=True)


class PointBody(serializers.Serializer[Any]):
    time = serializers.IntegerField(help_text="ms")
    realised = Figure(help_text="After fees.")
    total = Figure(help_text="Realised and unrealised, after fees, without funding.")


class EquityPage(serializers.Serializer[Fields]):
    """At most 240 points, oldest first; the last one is now."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = PointBody(many=True)


class LevelBody(serializers.Serializer[Any]):
    id = serializers.CharField()
    side = serializers.CharField()
    price = Figure()
    size = Figure()
    kind = serializers.CharField(source="style", help_text="post_only, resting or ioc")


class LadderBody(serializers.Serializer[Any]):
    side = serializers.CharField()
    levels = serializers.IntegerField()
    size = Figure()
    notional = Figure(help_text="When all of it is filled.")
    share = Figure(help_text="Of what may be at work, in per cent.")


class PreviewBody(serializers.Serializer[Any]):
    """What the bot would do now. Nothing is stored."""

    levels = LevelBody(many=True)
    reason = serializers.CharField(help_text="Why there are no levels, or no more.")
    price = Figure(allow_null=True)
    power = Figure(source="terms.power", help_text="What may be at work, in quote units.")
    sides = LadderBody(many=True)
    trip_fees = Figure(help_text="Of buying and selling one order, both as maker, in quote units.")


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


class BotClone(serializers.Serializer[Fields]):
    name = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class BotsQuery(serializers.Serializer[Fields]):
    """Query string of the list."""

    state = serializers.ChoiceField(choices=Statuses.choices, required=False)
    wallet = serializers.UUIDField(required=False)
    strategy = serializers.CharField(max_length=40, required=False)
    archived = serializers.BooleanField(required=False, default=False)
    sort = serializers.ChoiceField(
        choices=["-created_at", "created_at", "name", "-name"], required=False, default="-created_at"
    )


class EventsQuery(serializers.Serializer[Fields]):
    kind = serializers.ChoiceField(choices=BotEvent.Kind.choices, required=False, default="")


class BotStopBody(serializers.Serializer[Fields]):
    policy = serializers.ChoiceField(choices=StopPolicies.choices)
