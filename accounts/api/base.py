"""What the endpoints of every app share: refusals, pages of rows, bodies, and the id of a repeated request."""

from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

_ERROR = {"$ref": "#/components/schemas/Error"}
BAD = {
    400: OpenApiResponse(_ERROR, "VALIDATION_ERROR: a field or parameter is not right; details say which.")
}
MISSING = {404: OpenApiResponse(_ERROR, "NOT_FOUND: there is no such thing, or it is not yours.")}
CONFLICT = {409: OpenApiResponse(_ERROR, "CONFLICT: that cannot be done as things are.")}
KEY_LENGTH = 255
NO_SUCH = "There is no such thing, or it is not yours."


class Conflict(APIException):
    status_code = 409
    default_detail = "That cannot be done as things are."
    default_code = "CONFLICT"


class RefusingView(APIView):
    """Turns what the services refuse into what a caller reads: one mapping for all endpoints of an app."""

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(self.translated(exc))

    def translated(self, exc: Exception) -> Exception:
        """What a caller reads instead; anything that is not a refusal as it is."""
        raise NotImplementedError


class Newest(CursorPagination):
    """Newest first, by a key that only grows."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-created_at"


class NewestRows(Newest):
    ordering = "-id"


class PagesView(GenericAPIView[Any]):
    """A list in pages, the same for every kind of row."""

    def page(self, rows: QuerySet[Any]) -> Response:
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)


def body_of(serializer: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """What was sent, validated. Raises `ValidationError`."""
    sent = serializer(data=data)
    sent.is_valid(raise_exception=True)
    return dict(sent.validated_data)


def repeat_id(request: Request, *, kind: str = "", part: str = "") -> UUID:
    """The id under which this request is the same again, made of `Idempotency-Key`; else a new one.

    `kind` keeps apart what may have the same key, `part` the parts of one request. Raises
    `ValidationError`.
    """
    mark = request.headers.get("Idempotency-Key", "")
    if not mark:
        return uuid4()
    if len(mark) > KEY_LENGTH:
        raise ValidationError({"Idempotency-Key": [f"At most {KEY_LENGTH} characters."]})
    user: Any = request.user
    return uuid5(user.pk, f"{kind}{mark}{part}")
