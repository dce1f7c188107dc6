"""What goes in and comes out, for validation and for OpenAPI. Numbers are decimal strings, times ms UTC."""

from typing import Any

from rest_framework import serializers

from market.domain.events import INTERVALS
from market.models import Instrument

CANDLES_DEFAULT, CANDLES_MOST = 500, 1000
Fields = dict[str, Any]


class DecimalText(serializers.CharField):
    """A decimal number written out, no exponent."""


# --- questions ---------------------------------------------------------------------------------------
class TicksQuery(serializers.Serializer[Fields]):
    venue = serializers.SlugField(required=False, max_length=40, help_text="Only this venue.")


class InstrumentsQuery(serializers.Serializer[Fields]):
    venue = serializers.SlugField(required=False, max_length=40, help_text="Only this venue.")
    kind = serializers.ChoiceField(choices=Instrument.Kind.choices, required=False)
    q = serializers.CharField(
        required=False, max_length=60, help_text="Each word is part of the symbol, base or quote."
    )


class InstrumentQuery(serializers.Serializer[Fields]):
    venue = serializers.SlugField(max_length=40, help_text="Name of the venue.")
    symbol = serializers.CharField(max_length=60, help_text="The venue's own name of the instrument.")


class CandlesQuery(InstrumentQuery):
    interval = serializers.ChoiceField(choices=list(INTERVALS))
    before = serializers.IntegerField(
        required=False, min_value=0, max_value=2**53, help_text="Only candles that open before this, ms."
    )
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=CANDLES_MOST, default=CANDLES_DEFAULT
    )


# --- answers -----------------------------------------------------------------------------------------
class ErrorDetail(serializers.Serializer[Fields]):
    code = serializers.CharField()
    message = serializers.CharField()
    request_id = serializers.CharField()
    timestamp = serializers.DateTimeField()
    details = serializers.DictField()


class Error(serializers.Serializer[Fields]):
    """Every error has this shape."""

    error = ErrorDetail()


class VenueBody(serializers.Serializer[Fields]):
    name = serializers.SlugField()
    title = serializers.CharField()
    simulated = serializers.BooleanField(help_text="Prices are made by a simulator.")
    status = serializers.ChoiceField(choices=["live", "late", "down"])
    age_ms = serializers.IntegerField(allow_null=True, help_text="Age of the newest frame; null: unknown.")


class InstrumentBody(serializers.ModelSerializer[Instrument]):
    venue = serializers.SlugField(source="venue_id")
    simulated = serializers.BooleanField(source="venue.simulated")
    min_notional = serializers.DecimalField(
        max_digits=38, decimal_places=18, normalize_output=True, help_text="In quote units."
    )

    class Meta:
        model = Instrument
        fields = (
            "venue",
            "symbol",
            "simulated",
            "kind",
            "base",
            "quote",
            "size_decimals",
            "price_decimals",
            "significant_figures",
            "min_notional",
            "max_leverage",
            "trading",
        )


class TickBody(serializers.Serializer[Fields]):
    """Null: not known."""

    venue = serializers.SlugField()
    symbol = serializers.CharField()
    simulated = serializers.BooleanField()
    status = serializers.ChoiceField(choices=["live", "late", "down"])
    bid = DecimalText(allow_null=True)
    ask = DecimalText(allow_null=True)
    last = DecimalText(allow_null=True)
    mark = DecimalText(allow_null=True)
    change24h = DecimalText(allow_null=True, help_text="Per cent.")
    volume24h = DecimalText(allow_null=True, help_text="In quote units.")
    t = serializers.IntegerField(allow_null=True, help_text="Venue time, ms.")


class CandleBody(serializers.Serializer[Fields]):
    t = serializers.IntegerField(help_text="Opens at, ms.")
    o = DecimalText()
    h = DecimalText()
    l = DecimalText()  # noqa: E741 - as the stream names it
    c = DecimalText()
    v = DecimalText(help_text="In base units.")
    closed = serializers.BooleanField(help_text="False for the candle that is still open.")


class TradeBody(serializers.Serializer[Fields]):
    px = DecimalText()
    sz = DecimalText()
    side = serializers.ChoiceField(choices=["buy", "sell"], help_text="Of the taker.")
    t = serializers.IntegerField()
    id = serializers.CharField()


class Page(serializers.Serializer[Fields]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class VenuePage(Page):
    results = VenueBody(many=True)


class TickPage(Page):
    results = TickBody(many=True)


class OfInstrument(serializers.Serializer[Fields]):
    venue = serializers.SlugField()
    symbol = serializers.CharField()
    simulated = serializers.BooleanField()


class CandlePage(Page, OfInstrument):
    """Ascending. `next` leads to older candles."""

    interval = serializers.ChoiceField(choices=list(INTERVALS))
    results = CandleBody(many=True)


class BookBody(OfInstrument):
    epoch = serializers.IntegerField(help_text="Of the stream topic, with `seq`.")
    seq = serializers.IntegerField()
    t = serializers.IntegerField(help_text="Venue time, ms.")
    bids = serializers.ListField(
        child=serializers.ListField(child=DecimalText(), min_length=2, max_length=2),
        help_text="[price, size], best first.",
    )
    asks = serializers.ListField(
        child=serializers.ListField(child=DecimalText(), min_length=2, max_length=2),
        help_text="[price, size], best first.",
    )


class TradePage(Page, OfInstrument):
    """The newest few hundred, oldest first."""

    epoch = serializers.IntegerField(help_text="Of the stream topic, with `seq`.")
    seq = serializers.IntegerField(help_text="Of the last trade.")
    results = TradeBody(many=True)
