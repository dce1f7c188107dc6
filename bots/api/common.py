"""What the endpoints of this package share: refusals, the id of a request, the bot of a route."""

from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.authentication import SAFE
from accounts.domain.rules import Act
from accounts.selectors import user_may
from bots import selectors
from bots.api import bodies
from bots.domain.errors import BotConflict, BotInvalid, BotNotFound
from bots.domain.requests import BotRequest
from bots.models import Bot
from bots.selectors import BotCard

_ERROR = {"$ref": "#/components/schemas/Error"}
BAD = {400: OpenApiResponse(_ERROR, "VALIDATION_ERROR: a field or an input is not right; details say which.")}
MISSING = {404: OpenApiResponse(_ERROR, "NOT_FOUND: there is no such thing, or it is not yours.")}
CONFLICT = {409: OpenApiResponse(_ERROR, "CONFLICT: that cannot be done as things are.")}
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", location=OpenApiParameter.HEADER, description="Makes a repetition the same bot."
)
KEY_LENGTH = 255
NO_SUCH = "There is no such thing, or it is not yours."


class Conflict(APIException):
    status_code = 409
    default_detail = "That cannot be done as things are."
    default_code = "CONFLICT"


class HouseView(APIView):
    """Turns what the services refuse into what a caller reads: one mapping for all endpoints."""

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(_translated(exc))


def _translated(exc: Exception) -> Exception:
    match exc:
        case BotInvalid():
            return ValidationError({field: [sentence] for field, sentence in exc.errors.items()})
        case BotConflict():
            return Conflict(exc.sentence)
        case BotNotFound():
            return Http404(NO_SUCH)
    return exc


class Newest(CursorPagination):
    """Newest first, by a key that only grows."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-created_at"


class NewestRows(Newest):
    ordering = "-id"


class NewestBots(Newest):
    """In the order that `sort` names."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        return (request.query_params.get("sort") or "-created_at", "pk")


class Pages(HouseView, GenericAPIView[Any]):
    """A list in pages, the same for every kind of row."""

    def page(self, rows: QuerySet[Any]) -> Response:
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)


def body_of(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """What was sent, validated. Raises `ValidationError`."""
    sent = serializer(data=data)
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def asked_of(request: Request) -> BotRequest:
    """The bot that was asked for in the body. Raises `ValidationError`."""
    asked = body_of(bodies.BotCreate, request.data)
    return BotRequest(client_id=client_id_of(request), wallet_id=asked.pop("wallet"), **asked)


def card_of(bot: Bot) -> BotCard:
    (card,) = selectors.cards_of([bot], timezone.now())
    return card


def answer(bot: Bot, status: int = 200) -> Response:
    return Response(bodies.BotBody(card_of(bot)).data, status=status)


def client_id_of(request: Request) -> UUID:
    """The id under which this request is the same again, made of `Idempotency-Key`."""
    mark = request.headers.get("Idempotency-Key", "")
    if not mark:
        return uuid4()
    if len(mark) > KEY_LENGTH:
        raise ValidationError({"Idempotency-Key": [f"At most {KEY_LENGTH} characters."]})
    user: Any = request.user
    return uuid5(user.pk, f"bot {mark}")


def bot_or_404(request: Request, pk: UUID) -> Bot:
    """The bot, when the rules let this user do this to it: what is not yours does not exist."""
    user: Any = request.user
    act = Act.READ if request.method in SAFE else Act.CHANGE
    found = selectors.bot_find(pk)
    if found is None or not user_may(user=user, act=act, kind="bot", owner=found.user_id):
        raise BotNotFound(NO_SUCH)
    return found
