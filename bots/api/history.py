"""History endpoints of a bot: journal, orders, fills, inputs, equity curve, and exports as files."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from bots import selectors
from bots.api import serializers
from bots.api.common import (
    BotsAPIView,
    PaginatedBotsView,
    bot_or_404,
    card_of,
)
from bots.domain.errors import BotNotFound
from bots.models import Bot, BotJournalEntry
from bots.selectors.exports import EXPORTS
from core.api import (
    BAD_REQUEST,
    NOT_FOUND,
    NOT_FOUND_MESSAGE,
    NewestFirstByIdPagination,
    NewestFirstPagination,
    validated_data,
)
from wallets.selectors import source_fills, source_orders

LINES_PER_CHUNK = 500


class BotEvents(PaginatedBotsView):
    serializer_class = serializers.EventBody
    pagination_class = NewestFirstByIdPagination
    queryset = BotJournalEntry.objects.none()

    @extend_schema(operation_id="bot_events", summary="The journal of a bot, newest first", tags=["bots"],
                   parameters=[serializers.EventsQuery],
                   responses={200: serializers.EventBody(many=True), **BAD_REQUEST})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        kind = validated_data(serializers.EventsQuery, request.query_params)["kind"]
        return self.page(selectors.events_of(bot_or_404(request, pk), kind))


class BotOrders(PaginatedBotsView):
    serializer_class = serializers.BotOrderBody
    pagination_class = NewestFirstPagination
    queryset: Any = Bot.objects.none()

    @extend_schema(operation_id="bot_orders", summary="Orders of a bot, newest first", tags=["bots"],
                   responses={200: serializers.BotOrderBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(source_orders(bot_or_404(request, pk).pk))


class BotFills(PaginatedBotsView):
    serializer_class = serializers.BotFillBody
    pagination_class = NewestFirstByIdPagination
    queryset: Any = Bot.objects.none()

    @extend_schema(operation_id="bot_fills", summary="Fills of a bot, newest first", tags=["bots"],
                   responses={200: serializers.BotFillBody(many=True)})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return self.page(source_fills(bot_or_404(request, pk).pk))


class BotInputs(BotsAPIView):
    @extend_schema(operation_id="bot_inputs", summary="All versions of a bot's inputs, newest first", tags=["bots"],
                   responses={200: serializers.InputsPage, **NOT_FOUND})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        rows = selectors.versions_of(bot_or_404(request, pk))
        return Response(
            {"next": None, "previous": None, "results": serializers.InputsBody(rows, many=True).data}
        )


class BotEquity(BotsAPIView):
    @extend_schema(operation_id="bot_equity", summary="Equity curve of a bot: realised and total PnL",
                   tags=["bots"], responses={200: serializers.EquityPage, **NOT_FOUND})  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        bot, now = bot_or_404(request, pk), timezone.now()
        points = selectors.equity_of(bot, card_of(bot).mark, int(now.timestamp() * 1000))
        return Response(
            {"next": None, "previous": None, "results": serializers.PointBody(points, many=True).data}
        )


class BotExport(BotsAPIView):
    @extend_schema(
        operation_id="bot_export", tags=["bots"],
        summary="Export of your bot: `definition` (JSON), `orders`, `fills` (CSV), `journal` (JSON lines)",
        responses={200: OpenApiTypes.BINARY, **NOT_FOUND},
    )  # fmt: skip
    def get(self, request: SignedInRequest, pk: UUID, what: str) -> Any:
        bot = bot_or_404(request, pk)
        if what not in EXPORTS or bot.user_id != request.user.pk:
            raise BotNotFound(NOT_FOUND_MESSAGE)
        extension, kind, lines = EXPORTS[what]
        asynchronous = isinstance(request._request, ASGIRequest)
        content = streamed(lines(bot)) if asynchronous else lines(bot)
        name = f'attachment; filename="{what}-{bot.pk}.{extension}"'
        return StreamingHttpResponse(content, content_type=kind, headers={"Content-Disposition": name})


async def streamed(lines: Iterator[str]) -> AsyncIterator[str]:
    """The lines in chunks, each read in the thread that has the request's database connection."""
    while chunk := await sync_to_async(lambda: "".join(islice(lines, LINES_PER_CHUNK)))():
        yield chunk
