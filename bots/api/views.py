"""Strategies and bots, as programs use them."""

from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import BAD, CONFLICT, MISSING, body_of
from bots import selectors, services
from bots.api import serializers
from bots.api.common import (
    IDEMPOTENCY,
    HouseView,
    NewestBots,
    Pages,
    answer,
    asked_of,
    bot_or_404,
    client_id_of,
)
from bots.domain.lifecycle import StopPolicy
from bots.models import Bot
from bots.sdk import schema
from bots.strategies import STRATEGIES


class StrategyList(HouseView):
    @extend_schema(
        operation_id="strategies_list", summary="What a bot may follow, with its inputs", tags=["bots"],
        responses=serializers.StrategyPage,
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        rows = [
            {"key": key, "title": one.title, "summary": one.summary, "schema": schema(one)}
            for key, one in STRATEGIES.items()
        ]
        return Response({"next": None, "previous": None, "results": rows})


class BotList(Pages):
    serializer_class = serializers.BotBody
    pagination_class = NewestBots
    queryset = Bot.objects.none()
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bots_list", summary="Your bots, newest first unless `sort` says otherwise", tags=["bots"],
        parameters=[serializers.BotsQuery], responses={200: serializers.BotBody(many=True), **BAD},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        asked = body_of(serializers.BotsQuery, request.query_params)
        rows = selectors.bots_of(request.user, archived=asked["archived"])
        named = {"state": "status", "wallet": "wallet", "strategy": "strategy"}
        rows = rows.filter(**{field: asked[name] for name, field in named.items() if name in asked})
        cards = selectors.cards_of(self.paginate_queryset(rows) or (), timezone.now())
        return self.get_paginated_response(self.get_serializer(cards, many=True).data)

    @extend_schema(
        operation_id="bot_create", summary="Make a bot; it does not run yet", tags=["bots"],
        request=serializers.BotCreate, responses={201: serializers.BotBody, **BAD, **CONFLICT},
        parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        bot = services.bot_create(user=request.user, request=asked_of(request), http=request._request)
        return answer(bot, status=201)


class BotPreview(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "read"}

    @extend_schema(
        operation_id="bot_preview", summary="What a bot would do now, before it is made", tags=["bots"],
        request=serializers.BotCreate, responses={200: serializers.PreviewBody, **BAD},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        now = int(timezone.now().timestamp() * 1000)
        outlook = services.bot_preview(user=request.user, request=asked_of(request), now=now)
        return Response(serializers.PreviewBody(outlook).data)


class BotDetail(HouseView):
    scopes: ClassVar[dict[str, str]] = {"PATCH": "trade", "DELETE": "trade"}

    @extend_schema(operation_id="bot", summary="One bot", responses=serializers.BotBody, tags=["bots"])
    def get(self, request: Request, pk: UUID) -> Response:
        return answer(bot_or_404(request, pk))

    @extend_schema(
        operation_id="bot_change", summary="Give a bot other inputs, also while it runs", tags=["bots"],
        request=serializers.BotChange, responses={200: serializers.BotBody, **BAD, **MISSING},
    )  # fmt: skip
    def patch(self, request: Request, pk: UUID) -> Response:
        bot, asked = bot_or_404(request, pk), body_of(serializers.BotChange, request.data)
        services.bot_inputs_set(
            user=request.user, bot_id=bot.pk, inputs=asked["inputs"], http=request._request
        )
        return answer(bot_or_404(request, pk))

    @extend_schema(
        operation_id="bot_archive", summary="Put a stopped bot away", tags=["bots"],
        responses={204: OpenApiResponse(description="Archived"), **CONFLICT},
    )  # fmt: skip
    def delete(self, request: Request, pk: UUID) -> Response:
        services.bot_archive(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return Response(status=204)


class BotClone(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bot_clone", summary="A stopped bot with the newest inputs of this one", tags=["bots"],
        request=serializers.BotClone, parameters=[IDEMPOTENCY],
        responses={201: serializers.BotBody, **BAD, **MISSING, **CONFLICT},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        bot, asked = bot_or_404(request, pk), body_of(serializers.BotClone, request.data)
        made = services.bot_clone(
            user=request.user, bot_id=bot.pk, client_id=client_id_of(request), name=asked["name"],
            http=request._request,
        )  # fmt: skip
        return answer(made, status=201)


class BotStart(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bot_start", summary="Start a bot; one that runs goes on", tags=["bots"], request=None,
        responses={200: serializers.BotBody, **MISSING, **CONFLICT},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        services.bot_start(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return answer(bot_or_404(request, pk))


class BotStop(HouseView):
    scopes: ClassVar[dict[str, str]] = {"POST": "trade"}

    @extend_schema(
        operation_id="bot_stop", summary="Stop a bot, and say what becomes of its orders and position",
        tags=["bots"], request=serializers.BotStopBody, responses={200: serializers.BotBody, **BAD, **MISSING},
    )  # fmt: skip
    def post(self, request: Request, pk: UUID) -> Response:
        bot, asked = bot_or_404(request, pk), body_of(serializers.BotStopBody, request.data)
        policy = StopPolicy(asked["policy"])
        services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request._request)
        return answer(bot_or_404(request, pk))
