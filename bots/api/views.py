"""API endpoints of strategies and bots."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from accounts.authentication import SignedInRequest
from bots import selectors, services
from bots.api import serializers
from bots.api.common import (
    IDEMPOTENCY,
    BotsAPIView,
    NewestBots,
    PaginatedBotsView,
    bot_or_404,
    bot_request_of,
    bot_response,
    client_id_of,
)
from bots.domain.lifecycle import StopPolicy
from bots.models import Bot
from bots.sdk import schema
from bots.strategies import STRATEGIES
from core.api import BAD_REQUEST, CONFLICT, NOT_FOUND, validated_data


class StrategyList(BotsAPIView):
    @extend_schema(
        operation_id="strategies_list", summary="Available strategies with their inputs", tags=["bots"],
        responses=serializers.StrategyPage,
    )  # fmt: skip
    def get(self, request: SignedInRequest) -> Response:
        rows = [
            {"key": key, "title": one.title, "summary": one.summary, "schema": schema(one)}
            for key, one in STRATEGIES.items()
        ]
        return Response({"next": None, "previous": None, "results": rows})


class BotList(PaginatedBotsView):
    serializer_class = serializers.BotBody
    pagination_class = NewestBots
    queryset = Bot.objects.none()

    @extend_schema(
        operation_id="bots_list", summary="Your bots, newest first unless `sort` says otherwise", tags=["bots"],
        parameters=[serializers.BotsQuery], responses={200: serializers.BotBody(many=True), **BAD_REQUEST},
    )  # fmt: skip
    def get(self, request: SignedInRequest) -> Response:
        params = validated_data(serializers.BotsQuery, request.query_params)
        rows = selectors.bots_of(request.user, archived=params["archived"])
        field_of = {"state": "status", "wallet": "wallet", "strategy": "strategy"}
        rows = rows.filter(**{field: params[name] for name, field in field_of.items() if name in params})
        cards = selectors.cards_of(self.paginate_queryset(rows) or (), timezone.now())
        return self.get_paginated_response(self.get_serializer(cards, many=True).data)

    @extend_schema(
        operation_id="bot_create", summary="Create a stopped bot", tags=["bots"],
        request=serializers.BotCreate, responses={201: serializers.BotBody, **BAD_REQUEST, **CONFLICT},
        parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def post(self, request: SignedInRequest) -> Response:
        bot = services.bot_create(user=request.user, request=bot_request_of(request), http=request._request)
        return bot_response(bot, status=201)


class BotPreview(BotsAPIView):
    @extend_schema(
        operation_id="bot_preview", summary="Preview the orders a new bot would place now", tags=["bots"],
        request=serializers.BotCreate, responses={200: serializers.PreviewBody, **BAD_REQUEST},
    )  # fmt: skip
    def post(self, request: SignedInRequest) -> Response:
        now = int(timezone.now().timestamp() * 1000)
        bot_preview = services.bot_preview(user=request.user, request=bot_request_of(request), now=now)
        return Response(serializers.PreviewBody(bot_preview).data)


class BotDetail(BotsAPIView):
    @extend_schema(operation_id="bot", summary="One bot", responses=serializers.BotBody, tags=["bots"])
    def get(self, request: SignedInRequest, pk: UUID) -> Response:
        return bot_response(bot_or_404(request, pk))

    @extend_schema(
        operation_id="bot_change", summary="Change the inputs of a bot, also while it runs", tags=["bots"],
        request=serializers.BotChange, responses={200: serializers.BotBody, **BAD_REQUEST, **NOT_FOUND},
    )  # fmt: skip
    def patch(self, request: SignedInRequest, pk: UUID) -> Response:
        bot, params = bot_or_404(request, pk), validated_data(serializers.BotChange, request.data)
        services.bot_inputs_update(
            user=request.user, bot_id=bot.pk, inputs=params["inputs"], http=request._request
        )
        return bot_response(bot_or_404(request, pk))

    @extend_schema(
        operation_id="bot_archive", summary="Archive a stopped bot", tags=["bots"],
        responses={204: OpenApiResponse(description="Archived"), **CONFLICT},
    )  # fmt: skip
    def delete(self, request: SignedInRequest, pk: UUID) -> Response:
        services.bot_archive(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return Response(status=204)


class BotClone(BotsAPIView):
    @extend_schema(
        operation_id="bot_clone", summary="Clone a bot: a stopped bot with its newest inputs", tags=["bots"],
        request=serializers.BotClone, parameters=[IDEMPOTENCY],
        responses={201: serializers.BotBody, **BAD_REQUEST, **NOT_FOUND, **CONFLICT},
    )  # fmt: skip
    def post(self, request: SignedInRequest, pk: UUID) -> Response:
        bot, params = bot_or_404(request, pk), validated_data(serializers.BotClone, request.data)
        clone = services.bot_clone(
            user=request.user, bot_id=bot.pk, client_id=client_id_of(request), name=params["name"],
            http=request._request,
        )  # fmt: skip
        return bot_response(clone, status=201)


class BotStart(BotsAPIView):
    @extend_schema(
        operation_id="bot_start", summary="Start a bot; no effect if it runs", tags=["bots"], request=None,
        responses={200: serializers.BotBody, **NOT_FOUND, **CONFLICT},
    )  # fmt: skip
    def post(self, request: SignedInRequest, pk: UUID) -> Response:
        services.bot_start(user=request.user, bot_id=bot_or_404(request, pk).pk, http=request._request)
        return bot_response(bot_or_404(request, pk))


class BotStop(BotsAPIView):
    @extend_schema(
        operation_id="bot_stop", summary="Stop a bot with a policy for its orders and position",
        tags=["bots"], request=serializers.BotStopBody, responses={200: serializers.BotBody, **BAD_REQUEST, **NOT_FOUND},
    )  # fmt: skip
    def post(self, request: SignedInRequest, pk: UUID) -> Response:
        bot, params = bot_or_404(request, pk), validated_data(serializers.BotStopBody, request.data)
        policy = StopPolicy(params["policy"])
        services.bot_stop(user=request.user, bot_id=bot.pk, policy=policy, http=request._request)
        return bot_response(bot_or_404(request, pk))
