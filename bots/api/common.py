"""What the endpoints of this package share: refusals, the id of a request, the bot of a route."""

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

from accounts.api.base import NO_SUCH, Conflict, Newest, PagesView, RefusingView, body_of, repeat_id
from accounts.authentication import SAFE
from accounts.domain.permissions import Act
from accounts.selectors import user_may
from bots import selectors
from bots.api import serializers
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.requests import BotRequest
from bots.models import Bot
from bots.selectors import BotCard

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", location=OpenApiParameter.HEADER, description="Makes a repetition the same bot."
)


class HouseView(RefusingView):
    def translated(self, exc: Exception) -> Exception:
        match exc:
            case BotInvalid():
                return ValidationError({field: [sentence] for field, sentence in exc.errors.items()})
            case BotConflict():
                return Conflict(exc.sentence)
            case BotNotFound():
                return Http404(NO_SUCH)
        return exc


class Pages(HouseView, PagesView):
    pass


class NewestBots(Newest):
    """In the order that `sort` names."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        return (request.query_params.get("sort") or "-created_at", "pk")


def asked_of(request: Request) -> BotRequest:
    """The bot that was asked for in the body. Raises `ValidationError`."""
    asked = body_of(serializers.BotCreate, request.data)
    return BotRequest(client_id=client_id_of(request), wallet_id=asked.pop("wallet"), **asked)


def card_of(bot: Bot) -> BotCard:
    (card,) = selectors.cards_of([bot], timezone.now())
    return card


def answer(bot: Bot, status: int = 200) -> Response:
    return Response(serializers.BotBody(card_of(bot)).data, status=status)


def client_id_of(request: Request) -> UUID:
    """The id under which this request is the same again."""
    return repeat_id(request, kind="bot ")


def bot_or_404(request: Request, pk: UUID) -> Bot:
    """The bot, when the rules let this user do this to it: what is not yours does not exist."""
    user: Any = request.user
    act = Act.READ if request.method in SAFE else Act.CHANGE
    found = selectors.bot_find(pk)
    if found is None or not user_may(user=user, act=act, kind="bot", owner=found.user_id):
        raise BotNotFound(NO_SUCH)
    return found
