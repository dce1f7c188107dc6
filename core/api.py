"""Base classes of the REST endpoints of all apps: error mapping, pagination, validation, idempotency ids."""

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
BAD_REQUEST = {
    400: OpenApiResponse(_ERROR, "VALIDATION_ERROR: a field or parameter is invalid; see `details`.")
}
NOT_FOUND = {404: OpenApiResponse(_ERROR, "NOT_FOUND: the object does not exist or is not yours.")}
CONFLICT = {409: OpenApiResponse(_ERROR, "CONFLICT: not possible in the current state.")}
KEY_LENGTH = 255
NOT_FOUND_MESSAGE = "Not found, or not yours."


class Conflict(APIException):
    """409: the request is valid but not possible in the current state."""

    status_code = 409
    default_detail = "Not possible in the current state."
    default_code = "CONFLICT"


class ErrorMappingView(APIView):
    """Base view that maps exceptions of the services to API errors: one mapping per app."""

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(self.translated(exc))

    def translated(self, exc: Exception) -> Exception:
        """The API error for `exc`; exceptions that are not domain errors are returned unchanged."""
        raise NotImplementedError


class NewestFirstPagination(CursorPagination):
    """Cursor pagination, newest first, by a column that only increases."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = "-created_at"


class NewestFirstByIdPagination(NewestFirstPagination):
    ordering = "-id"


class PaginatedView(GenericAPIView[Any]):
    """Generic view that returns a page of a queryset."""

    def page(self, rows: QuerySet[Any]) -> Response:
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(rows), many=True).data)


def validated_data(serializer: type[Serializer[Any]], data: object) -> dict[str, Any]:
    """The request data validated by `serializer`. Raises `ValidationError`."""
    body = serializer(data=data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def idempotency_uuid(request: Request, *, kind: str = "", part: str = "") -> UUID:
    """Id of the request, derived from `Idempotency-Key` and the user: repetitions share it. Else a new UUID.

    `kind` separates endpoints that may receive the same key, `part` the parts of one request. Raises
    `ValidationError`.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return uuid4()
    if len(key) > KEY_LENGTH:
        raise ValidationError({"Idempotency-Key": [f"At most {KEY_LENGTH} characters."]})
    user: Any = request.user
    return uuid5(user.pk, f"{kind}{key}{part}")
