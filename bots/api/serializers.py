"""Request and response serializers. Numbers are decimal strings, times ms UTC; null: unknown or not yet."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from bots.models import Bot, BotJournalEntry, Statuses, StopPolicies
from bots.selectors import BotCard
from core.formatting import plain
from wallets.api.request_serializers import Amount

Fields = dict[str, Any]


class MillisecondField(serializers.IntegerField):
    """Timestamp in ms since 1970, UTC."""

    def to_representation(self, value: datetime) -> int:  # type: ignore[override]  # reads a datetime, shows an integer
        return int(value.timestamp() * 1000)


class DecimalField(serializers.CharField):
    """Decimal number without an exponent."""

    def to_representation(self, value: Decimal) -> str:  # type: ignore[override]  # reads a number, shows its text
        return plain(value)


# --- responses -------------------------------------------------------------------------------------------
class StrategyBody(serializers.Serializer[Fields]):
    key = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    schema = serializers.DictField(help_text="JSON Schema of its inputs, draft 2020-12")


class StrategyPage(serializers.Serializer[Fields]):
    """Page with all results; there is never a second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = StrategyBody(many=True)


class FiguresBody(serializers.Serializer[Any]):
    """Figures of a bot over all its runs, in quote units. Values that need a price are null without one."""

    size = DecimalField(help_text="Position size in base units; below zero: short.")
    mark_price = DecimalField(allow_null=True)
    pnl = DecimalField(allow_null=True, help_text="Total, after fees and funding.")
    realised_pnl = DecimalField(help_text="Before fees.")
    unrealised_pnl = DecimalField(allow_null=True)
    fees = DecimalField(help_text="Above zero: paid.")
    funding = DecimalField(help_text="Above zero: received.")
    fills = serializers.IntegerField()
    round_trips = serializers.IntegerField(help_text="From flat to flat.")
    volume = DecimalField()
    max_drawdown = DecimalField(help_text="Largest fall of the PnL from a peak.")
    time_in_market = serializers.IntegerField(help_text="ms with a position")
    live = serializers.IntegerField(help_text="Orders that may still trade.")


class BotBody(serializers.Serializer[BotCard]):
    """A bot with its status and figures."""

    id = serializers.UUIDField(source="bot.pk")
    name = serializers.CharField(source="bot.name")
    strategy = serializers.CharField(source="bot.strategy")
    wallet = serializers.UUIDField(source="bot.wallet_id")
    venue = serializers.CharField(source="bot.instrument.venue_id")
    symbol = serializers.CharField(source="bot.instrument.symbol")
    budget = DecimalField(source="bot.budget", help_text="In quote units.")
    leverage = serializers.IntegerField(source="bot.leverage")
    status = serializers.ChoiceField(source="bot.status", choices=Statuses.choices)
    reason = serializers.CharField(source="bot.reason", help_text="Why it is idle, stopped or faulted.")
    status_text = serializers.CharField(help_text="The reason, or the status in words: never empty.")
    stale = serializers.BooleanField(
        source="is_stale", help_text="The bot should run and had no heartbeat for ten seconds."
    )
    reason_at = MillisecondField(
        source="bot.reason_at", allow_null=True, help_text="When the reason was last true."
    )
    traceback = serializers.CharField(source="bot.traceback", help_text="Of a fault.")
    heartbeat_at = MillisecondField(source="bot.heartbeat_at", allow_null=True)
    desired_state = serializers.ChoiceField(source="bot.desired", choices=Bot.Desired.choices)
    stop_policy = serializers.CharField(source="bot.stop_policy")
    inputs_version = serializers.IntegerField(source="bot.inputs_version")
    created_at = MillisecondField(source="bot.created_at")
    archived_at = MillisecondField(source="bot.archived_at", allow_null=True)
    figures = FiguresBody(source="*")


class ChangeBody(serializers.Serializer[Any]):
    name = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class InputsBody(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    created_at = MillisecondField()
    inputs = serializers.DictField()
    changes = ChangeBody(many=True, help_text="Compared with the previous version.")


class InputsPage(serializers.Serializer[Fields]):
    """Page with all results, newest first; there is never a second page."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = InputsBody(many=True)


class PointBody(serializers.Serializer[Any]):
    time = serializers.IntegerField(help_text="ms")
    realised_pnl = DecimalField(help_text="After fees.")
    total = DecimalField(help_text="Realised and unrealised, after fees, without funding.")


class EquityPage(serializers.Serializer[Fields]):
    """At most 240 points, oldest first; the last one is now."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = PointBody(many=True)


class LevelBody(serializers.Serializer[Any]):
    id = serializers.CharField()
    side = serializers.CharField()
    price = DecimalField()
    size = DecimalField()
    kind = serializers.CharField(source="style", help_text="post_only, gtc or ioc")


class LadderBody(serializers.Serializer[Any]):
    side = serializers.CharField()
    levels = serializers.IntegerField()
    size = DecimalField()
    notional = DecimalField(help_text="If all of it is filled.")
    share = DecimalField(help_text="In per cent of the buying power.")


class PreviewBody(serializers.Serializer[Any]):
    """Orders that the bot would place now. Nothing is stored."""

    levels = LevelBody(many=True)
    reason = serializers.CharField(help_text="Why there are no levels, or no more.")
    price = DecimalField(allow_null=True)
    buying_power = DecimalField(source="terms.buying_power", help_text="In quote units.")
    sides = LadderBody(many=True)
    round_trip_fees = DecimalField(
        help_text="For buying and selling one average order, both as maker, in quote units."
    )


class EventBody(serializers.ModelSerializer[BotJournalEntry]):
    run = serializers.UUIDField(source="run_id", allow_null=True)
    body = serializers.DictField()
    created_at = MillisecondField()

    class Meta:
        model = BotJournalEntry
        fields = ("id", "run", "number", "kind", "text", "body", "created_at")


class BotOrderBody(serializers.Serializer[Any]):
    """Summary of a bot's order; the full order is at `/orders/{id}`."""

    id = serializers.UUIDField(source="pk")
    client_id = serializers.UUIDField()
    side = serializers.CharField()
    kind = serializers.CharField()
    price = DecimalField()
    size = DecimalField()
    filled_size = DecimalField(source="filled")
    status = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    provenance = serializers.DictField(help_text="level, number, event, inputs version, code hash")
    created_at = MillisecondField()


class BotFillBody(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="pk")
    order = serializers.UUIDField(source="order_id")
    side = serializers.CharField()
    price = DecimalField()
    size = DecimalField()
    fee = DecimalField(help_text="Above zero: paid.")
    fee_asset = serializers.CharField()
    time = serializers.IntegerField()


# --- requests --------------------------------------------------------------------------------------------
class BotCreate(serializers.Serializer[Fields]):
    wallet = serializers.UUIDField()
    symbol = serializers.CharField(max_length=60)
    strategy = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    budget = Amount(help_text="In quote units.")
    leverage = serializers.IntegerField(required=False, default=1, min_value=1, max_value=200)
    inputs = serializers.DictField(required=False, default=dict)


class BotChange(serializers.Serializer[Fields]):
    inputs = serializers.DictField()


class BotClone(serializers.Serializer[Fields]):
    name = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class BotsQuery(serializers.Serializer[Fields]):
    """Query parameters of the bot list."""

    state = serializers.ChoiceField(choices=Statuses.choices, required=False)
    wallet = serializers.UUIDField(required=False)
    strategy = serializers.CharField(max_length=40, required=False)
    archived = serializers.BooleanField(required=False, default=False)
    sort = serializers.ChoiceField(
        choices=["-created_at", "created_at", "name", "-name"], required=False, default="-created_at"
    )


class EventsQuery(serializers.Serializer[Fields]):
    kind = serializers.ChoiceField(choices=BotJournalEntry.Kind.choices, required=False, default="")


class BotStopBody(serializers.Serializer[Fields]):
    policy = serializers.ChoiceField(choices=StopPolicies.choices)
