"""Public market data endpoints: validate the query, call a selector, build the response."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from market import selectors
from market.api import serializers
from market.models import Instrument

TICK_FIELDS = ("bid", "ask", "last", "mark", "change24h", "volume24h", "t")
BAD_QUERY = {400: OpenApiResponse(serializers.Error, "VALIDATION_ERROR: a query parameter is invalid.")}
NOT_THERE = {404: OpenApiResponse(serializers.Error, "NOT_FOUND: no such venue or instrument.")}
NOT_NOW = {503: OpenApiResponse(serializers.Error, "SERVICE_UNAVAILABLE: Redis or the feed is unavailable.")}


class NotAvailable(APIException):
    """HTTP 503: live market data is unavailable."""

    status_code = 503
    default_detail = "Live market data is unavailable."


class PublicView(APIView):
    """Base view: public and read-only. `LiveUnavailable` becomes HTTP 503."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, selectors.LiveUnavailable):
            exc = NotAvailable(str(exc))
        return super().handle_exception(exc)


def _validated(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    query = serializer(data=request.query_params)
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def _instrument(params: dict[str, Any]) -> Instrument:
    instrument = selectors.instrument_get(params["venue"], params["symbol"])
    if instrument is None:
        raise NotFound(f"Unknown instrument {params['symbol']} on {params['venue']}.")
    return instrument


def _reference(instrument: Instrument) -> dict[str, Any]:
    return {
        "venue": instrument.venue.name,
        "symbol": instrument.symbol,
        "simulated": instrument.venue.simulated,
    }


def _check_venue(name: str | None) -> None:
    if name and selectors.venue_get(name) is None:
        raise NotFound(f"Unknown venue {name}.")


class VenueList(PublicView):
    @extend_schema(operation_id="venues_list", responses={200: serializers.VenuePage}, tags=["market"])
    def get(self, request: Request) -> Response:
        """All venues with the status of their feeds."""
        results = [asdict(venue) for venue in selectors.venue_states()]
        return Response({"next": None, "previous": None, "results": results})


class InstrumentCursor(CursorPagination):
    ordering = "id"
    page_size = 200
    max_page_size = 1000
    page_size_query_param = "limit"


class InstrumentList(PublicView, ListAPIView[Instrument]):
    """Instruments with the price and size rules that orders must satisfy."""

    serializer_class = serializers.InstrumentBody
    pagination_class = InstrumentCursor
    queryset = Instrument.objects.none()

    @extend_schema(
        operation_id="instruments_list",
        parameters=[serializers.InstrumentsQuery],
        responses={200: serializers.InstrumentBody(many=True), **BAD_QUERY, **NOT_THERE},
        tags=["market"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        params = _validated(serializers.InstrumentsQuery, request)
        _check_venue(params.get("venue"))
        self.queryset = selectors.instrument_list(**params)
        return self.list(request)


class TickList(PublicView):
    @extend_schema(
        operation_id="ticks_list",
        parameters=[serializers.TicksQuery],
        responses={200: serializers.TickPage, **BAD_QUERY, **NOT_THERE, **NOT_NOW},
        tags=["market"],
    )
    def get(self, request: Request) -> Response:
        """The latest tick of every instrument that has one."""
        params = _validated(serializers.TicksQuery, request)
        _check_venue(params.get("venue"))
        venues = [
            venue for venue in selectors.venue_states() if params.get("venue", venue.name) == venue.name
        ]
        results = [tick for venue in venues for tick in _ticks(venue)]
        return Response({"next": None, "previous": None, "results": results})


def _ticks(venue: selectors.VenueState) -> list[dict[str, Any]]:
    venue_fields = {"venue": venue.name, "simulated": venue.simulated, "status": venue.status}
    return [
        {**venue_fields, "symbol": symbol, **{name: tick.get(name) for name in TICK_FIELDS}}
        for symbol, tick in sorted(selectors.ticks_of(venue.name).items())
    ]


class CandleList(PublicView):
    @extend_schema(
        operation_id="candles_list",
        parameters=[serializers.CandlesQuery],
        responses={200: serializers.CandlePage, **BAD_QUERY, **NOT_THERE, **NOT_NOW},
        tags=["market"],
    )
    def get(self, request: Request) -> Response:
        """Candles in ascending order: the stored ones and, without `before`, the open one."""
        params = _validated(serializers.CandlesQuery, request)
        instrument = _instrument(params)
        interval, before, limit = params["interval"], params.get("before"), params["limit"]
        rows = selectors.candles_before(instrument, interval, before=before, limit=limit)
        results = [_candle(selectors.candle_row(row), closed=True) for row in rows]
        if before is None:
            results = _with_open(results, instrument, interval)[-limit:]
        next_url = None
        if len(results) == limit:
            next_url = replace_query_param(request.build_absolute_uri(), "before", results[0]["t"])
        page = {"next": next_url, "previous": None, "interval": interval, "results": results}
        return Response({**_reference(instrument), **page})


def _candle(row: list[Any], *, closed: bool) -> dict[str, Any]:
    return {**dict(zip("tohlcv", row, strict=True)), "closed": closed}


def _with_open(results: list[dict[str, Any]], instrument: Instrument, interval: str) -> list[dict[str, Any]]:
    """`results` plus the open candle. Waits for the feed only when no candle is stored."""
    topic = f"candles.{instrument.venue.name}.{instrument.symbol}.{interval}"
    if results:
        row = selectors.topic_or_none(topic)
    else:
        row = selectors.topic_fresh(topic, instrument.venue.name).value
    if not row or (results and row[0] <= results[-1]["t"]):
        return results
    return [*results, _candle(row, closed=False)]


class BookDetail(PublicView):
    @extend_schema(
        operation_id="book",
        parameters=[serializers.InstrumentQuery],
        responses={200: serializers.BookBody, **BAD_QUERY, **NOT_THERE, **NOT_NOW},
        tags=["market"],
    )
    def get(self, request: Request) -> Response:
        """The order book. Without a subscriber it is first requested from the feed, for up to 3 s."""
        instrument = _instrument(_validated(serializers.InstrumentQuery, request))
        snapshot = selectors.topic_fresh(
            f"book.{instrument.venue.name}.{instrument.symbol}", instrument.venue.name
        )
        return Response(
            {**_reference(instrument), "epoch": snapshot.epoch, "seq": snapshot.seq, **snapshot.value}
        )


class TradeList(PublicView):
    @extend_schema(
        operation_id="trades_list",
        parameters=[serializers.InstrumentQuery],
        responses={200: serializers.TradePage, **BAD_QUERY, **NOT_THERE, **NOT_NOW},
        tags=["market"],
    )
    def get(self, request: Request) -> Response:
        """The newest trades, oldest first. Without a subscriber the request waits for them up to 3 s."""
        instrument = _instrument(_validated(serializers.InstrumentQuery, request))
        snapshot = selectors.topic_fresh(
            f"trades.{instrument.venue.name}.{instrument.symbol}", instrument.venue.name
        )
        results = [dict(zip(("px", "sz", "side", "t", "id"), item, strict=True)) for item in snapshot.value]
        page = {"next": None, "previous": None, "epoch": snapshot.epoch, "seq": snapshot.seq}
        return Response({**_reference(instrument), **page, "results": results})
