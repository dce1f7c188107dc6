"""Strategies and bots, as programs use them."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import selectors, services
from bots.api import bodies
from bots.api.common import (
    BAD,
    CONFLICT,
    IDEMPOTENCY,
    MISSING,
    HouseView,
    Newest,
    NewestRows,
    Pages,
    body_of,
    bot_or_404,
    client_id_of,
)
from bots.domain.lifecycle import StopPolicy
from bots.domain.requests import BotRequest
from bots.models import Bot, BotEvent
from bots.sdk import schema
from bots.strategies import STRATEGIES
from wallets.selectors import source_fills, source_orders


class StrategyList(HouseView):
    @extend_schema(
        operation_id="strategies_list", summary="What a bot may follow, with its inputs", tags=["bots"],
        responses=bodies.StrategyPage,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = [
            {"key": key, "title": one.title, "summary": one.summary, "schema": schema(one)}
            for key, one in STRATEGIES.items()
        ]
        return Response({"next": None, "previous": None, "results": rows})


class BotList(Pages):
    serializer_class = bodies.BotBody
    pagination_class = Newest
    queryset = Bot.objects.none()
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bots_list", summary="Your bots, newest first", tags=["bots"],
        responses={200: bodies.BotBody(many=True)},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return self.page(selectors.bots_of(request.user))

    @extend_schema(
        operation_id="bot_create", summary="Make a bot; it does not run yet", tags=["bots"],
        request=bodies.BotCreate, responses={201: bodies.BotBody, **BAD, **CONFLICT},
        parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        asked = body_of(bodies.BotCreate, request.data)
        wanted = BotRequest(client_id=client_id_of(request), wallet_id=asked.pop("wallet"), **asked)
        bot = services.bot_create(user=request.user, request=wanted, http=request._request)
        return Response(bodies.BotBody(bot).data, status=201)


class BotDetail(HouseView):
    scopes: ClassVar[dict[str, str]] = {"PATCH": "trade", "DELETE": "trade"}

    @extend_schema(operation_id="bot", summary="One bot", responses=bodies.BotBody, tags=["bots"])
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(bodies.BotBody(bot_or_404(request, pk)).data)

    @extend_schema(
        operation_id="bot_change", summary="Give a bot other inputs, also while it runs", tags=["bots"],
        request=bodies.BotChange, responses={200: bodies.BotBody, **BAD, **MISSING},
    )  # fmt: skip
    def patch(self, request: Request, pk: UUID) -> Response:
        bot, asked = bot_or_404(request, pk), body_of(bodies.BotChange, request.data)
        services.bot_inputs_set(
            user=request.user, bot_id=bot.pk, inputs=asked["inputs"], http=request._request
        )
        return Response(bodies.BotBody(bot_or_404(request, pk)).data)

    @extend_schema(
        operation_id="bot_archive", summary="Put a stopped bot away", tags=["bots"],
        responses={204: OpenApiResponse(description="Archived"), **CONFLICT},
    )  # fmt: skip
    def delete(self, request: Request, pk: UUID) -> Response:
        services.bot_archive(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return Response(status=204)


class BotStart(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bot_start", summary="Start a bot; one that runs goes on", tags=["bots"], request=None,
        responses={200: bodies.BotBody, **MISSING, **CONFLICT},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        services.bot_start(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return Response(bodies.BotBody(bot_or_404(request, pk)).data)


class BotStop(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bot_stop", summary="Stop a bot, and say what becomes of its orders and position",
        tags=["bots"], request=bodies.BotStopBody, responses={200: bodies.BotBody, **BAD, **MISSING},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        bot, asked = bot_or_404(request, pk), body_of(bodies.BotStopBody, request.data)
        policy = StopPolicy(asked["policy"])
        services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request._request)
        return Response(bodies.BotBody(bot_or_404(request, pk)).data)


class BotEvents(Pages):
    serializer_class = bodies.EventBody
    pagination_class = NewestRows
    queryset = BotEvent.objects.none()

    @extend_schema(operation_id="bot_events", summary="The journal of a bot, newest first", tags=["bots"],
                   responses={200: bodies.EventBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(selectors.events_of(bot_or_404(request, pk)))


class BotOrders(Pages):
    serializer_class = bodies.BotOrderBody
    pagination_class = Newest
    queryset: Any = Bot.objects.none()

    @extend_schema(operation_id="bot_orders", summary="Orders of a bot, newest first", tags=["bots"],
                   responses={200: bodies.BotOrderBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(source_orders(bot_or_404(request, pk).pk))


class BotFills(Pages):
    serializer_class = bodies.BotFillBody
    pagination_class = NewestRows
    queryset: Any = Bot.objects.none()

    @extend_schema(operation_id="bot_fills", summary="Fills of a bot, newest first", tags=["bots"],
                   responses={200: bodies.BotFillBody(many=True)})  # fmt: skip
    def get(self, request: Request, pk: UUID) -> Response:
        return self.page(source_fills(bot_or_404(request, pk).pk))
