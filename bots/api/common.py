"""Shared code of the bot endpoints: error mapping, idempotency id of a request, bot of a route."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import SAFE_METHODS, SignedInRequest
from accounts.domain.permissions import Action
from accounts.selectors import user_is_allowed
from bots import selectors
from bots.api import serializers
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.requests import BotRequest
from bots.models import Bot
from bots.selectors import BotCard
from core.api import (
    NOT_FOUND_MESSAGE,
    Conflict,
    ErrorMappingView,
    NewestFirstPagination,
    PaginatedView,
    idempotency_uuid,
    validated_data,
)

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="A repeated request with the same key returns the same bot.",
)


class BotsAPIView(ErrorMappingView):
    """Base view of the bot endpoints: maps bot errors to HTTP errors."""

    def translated(self, exc: Exception) -> Exception:
        match exc:
            case BotInvalid():
                return ValidationError({field: [sentence] for field, sentence in exc.errors.items()})
            case BotConflict():
                return Conflict(exc.message)
            case BotNotFound():
                return Http404(NOT_FOUND_MESSAGE)
        return exc


class PaginatedBotsView(BotsAPIView, PaginatedView):
    """Base view of paginated bot endpoints."""


class NewestBots(NewestFirstPagination):
    """Cursor pagination of bots in the order of the `sort` parameter."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        return (request.query_params.get("sort") or "-created_at", "pk")


def bot_request_of(request: SignedInRequest) -> BotRequest:
    """The bot request in the body. Raises `ValidationError`."""
    params = validated_data(serializers.BotCreate, request.data)
    return BotRequest(client_id=client_id_of(request), wallet_id=params.pop("wallet"), **params)


def card_of(bot: Bot) -> BotCard:
    """The bot's card, now."""
    (card,) = selectors.cards_of([bot], timezone.now())
    return card


def bot_response(bot: Bot, status: int = 200) -> Response:
    """Response with the bot's card."""
    return Response(serializers.BotBody(card_of(bot)).data, status=status)


def client_id_of(request: SignedInRequest) -> UUID:
    """The idempotency id of the request."""
    return idempotency_uuid(request, kind="bot ")


def bot_or_404(request: SignedInRequest, pk: UUID) -> Bot:
    """The bot, if the permissions allow this user to read (safe methods) or change it.

    Raises `BotNotFound` otherwise, also for an existing bot of another user.
    """
    user: Any = request.user
    act = Action.READ if request.method in SAFE_METHODS else Action.CHANGE
    found = selectors.bot_find(pk)
    if found is None or not user_is_allowed(user=user, act=act, kind="bot", owner=found.user_id):
        raise BotNotFound(NOT_FOUND_MESSAGE)
    return found
