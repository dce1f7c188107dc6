"""Endpoints: validate the question, call a selector, shape the answer."""

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
BAD_QUERY = {400: OpenApiResponse(serializers.Error, "VALIDATION_ERROR: a parameter is not right.")}
NOT_THERE = {404: OpenApiResponse(serializers.Error, "NOT_FOUND: no such venue or instrument.")}
NOT_NOW = {503: OpenApiResponse(serializers.Error, "SERVICE_UNAVAILABLE: Redis or the feed does not answer.")}


class NotAvailable(APIException):
    """Live values are not known now."""

    status_code = 503
    default_detail = "Live values are not known now."


class PublicView(APIView):
    """Open to anybody, read only. A live value that nobody knows is a 503."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, selectors.LiveUnavailable):
            exc = NotAvailable(str(exc))
        return super().handle_exception(exc)


def _asked(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    question = serializer(data=request.query_params)
    question.is_valid(raise_exception=True)
    return dict(question.validated_data)


def _instrument(asked: dict[str, Any]) -> Instrument:
    found = selectors.instrument_get(asked["venue"], asked["symbol"])
    if found is None:
        raise NotFound(f"There is no instrument {asked['symbol']} at {asked['venue']}.")
    return found


def _heading(found: Instrument) -> dict[str, Any]:
    return {"venue": found.venue.name, "symbol": found.symbol, "simulated": found.venue.simulated}


def _venue_must_exist(name: str | None) -> None:
    if name and selectors.venue_get(name) is None:
        raise NotFound(f"There is no venue {name}.")


class VenueList(PublicView):
    @extend_schema(operation_id="venues_list", responses={200: serializers.VenuePage}, tags=["market"])
    def get(self, request: Request) -> Response:
        """Every venue with the state of its feed."""
        results = [asdict(venue) for venue in selectors.venue_states()]
        return Response({"next": None, "previous": None, "results": results})


class InstrumentCursor(CursorPagination):
    ordering = "id"
    page_size = 200
    max_page_size = 1000
    page_size_query_param = "limit"


class InstrumentList(PublicView, ListAPIView[Instrument]):
    """Instruments and the price and size rules that an order for them must obey."""

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
        asked = _asked(serializers.InstrumentsQuery, request)
        _venue_must_exist(asked.get("venue"))
        self.queryset = selectors.instrument_list(**asked)
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
        asked = _asked(serializers.TicksQuery, request)
        _venue_must_exist(asked.get("venue"))
        wanted = [venue for venue in selectors.venue_states() if asked.get("venue", venue.name) == venue.name]
        results = [tick for venue in wanted for tick in _ticks(venue)]
        return Response({"next": None, "previous": None, "results": results})


def _ticks(venue: selectors.VenueState) -> list[dict[str, Any]]:
    heading = {"venue": venue.name, "simulated": venue.simulated, "status": venue.status}
    return [
        {**heading, "symbol": symbol, **{name: tick.get(name) for name in TICK_FIELDS}}
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
        """Candles, ascending: stored ones, and without `before` also the one that is still open."""
        asked = _asked(serializers.CandlesQuery, request)
        found = _instrument(asked)
        interval, before, limit = asked["interval"], asked.get("before"), asked["limit"]
        rows = selectors.candles_before(found, interval, before=before, limit=limit)
        results = [_candle(selectors.candle_row(row), closed=True) for row in rows]
        if before is None:
            results = _with_open(results, found, interval)[-limit:]
        older = None
        if len(results) == limit:
            older = replace_query_param(request.build_absolute_uri(), "before", results[0]["t"])
        page = {"next": older, "previous": None, "interval": interval, "results": results}
        return Response({**_heading(found), **page})


def _candle(row: list[Any], *, closed: bool) -> dict[str, Any]:
    return {**dict(zip("tohlcv", row, strict=True)), "closed": closed}


def _with_open(results: list[dict[str, Any]], found: Instrument, interval: str) -> list[dict[str, Any]]:
    """`results` and the open candle. Only when nothing is stored is the feed waited for."""
    topic = f"candles.{found.venue.name}.{found.symbol}.{interval}"
    if results:
        row = selectors.topic_known(topic)
    else:
        row = selectors.topic_fresh(topic, found.venue.name).whole
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
        """The order book. One that nobody watched is fetched from the venue first, for up to 3 s."""
        found = _instrument(_asked(serializers.InstrumentQuery, request))
        snapshot = selectors.topic_fresh(f"book.{found.venue.name}.{found.symbol}", found.venue.name)
        return Response({**_heading(found), "epoch": snapshot.epoch, "seq": snapshot.seq, **snapshot.whole})


class TradeList(PublicView):
    @extend_schema(
        operation_id="trades_list",
        parameters=[serializers.InstrumentQuery],
        responses={200: serializers.TradePage, **BAD_QUERY, **NOT_THERE, **NOT_NOW},
        tags=["market"],
    )
    def get(self, request: Request) -> Response:
        """The newest trades, oldest first. Those that nobody watched are waited for, up to 3 s."""
        found = _instrument(_asked(serializers.InstrumentQuery, request))
        snapshot = selectors.topic_fresh(f"trades.{found.venue.name}.{found.symbol}", found.venue.name)
        results = [dict(zip(("px", "sz", "side", "t", "id"), item, strict=True)) for item in snapshot.whole]
        page = {"next": None, "previous": None, "epoch": snapshot.epoch, "seq": snapshot.seq}
        return Response({**_heading(found), **page, "results": results})
