"""Personal API keys. Only people manage them, never a key itself."""

from typing import Any, ClassVar
from uuid import UUID

from django.core.cache import cache
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.base import Conflict
from accounts.api.common import PERSON, object_or_404, signed_in_user
from accounts.api.serializers import KeyBody, KeyCreate, KeyCreated
from accounts.models import ApiKey
from accounts.selectors import api_key_digest, api_key_get, api_key_list
from accounts.services import TooManyKeys, api_key_create, api_key_rename, api_key_revoke
from accounts.step_up import StepUpRequired

REPEAT_SECONDS = 24 * 3600
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="A repetition is a 409, not a second key.",
)


class Newest(CursorPagination):
    page_size = 50
    ordering = "-created_at"


class KeyList(ListAPIView[ApiKey]):
    permission_classes = (*PERSON, StepUpRequired)
    step_up_act: ClassVar[dict[str, str]] = {"POST": "api_key.create"}
    serializer_class = KeyBody
    pagination_class = Newest

    def get_queryset(self) -> QuerySet[ApiKey]:
        if getattr(self, "swagger_fake_view", False):
            return ApiKey.objects.none()
        return api_key_list(user=signed_in_user(self.request))

    @extend_schema(summary="Your API keys")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=KeyCreate,
        responses={201: KeyCreated},
        parameters=[IDEMPOTENCY],
        summary="Create an API key",
        description="The answer holds the key; it is never shown again.",
    )
    def post(self, request: Request) -> Response:
        body = KeyCreate(data=request.data)
        body.is_valid(raise_exception=True)
        _once(request)
        try:
            key, secret = api_key_create(
                user=signed_in_user(request), **body.validated_data, request=request._request
            )
        except TooManyKeys as error:
            raise Conflict(str(error)) from error
        answer = {**KeyBody(key).data, "key": secret}
        return Response(answer, status=201, headers={"Cache-Control": "no-store"})


class KeyDetail(APIView):
    permission_classes = PERSON

    @extend_schema(responses=KeyBody, summary="One of your API keys")
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(KeyBody(_key(request, pk)).data)

    @extend_schema(request=KeyBody, responses=KeyBody, summary="Rename an API key")
    def patch(self, request: Request, pk: UUID) -> Response:
        key = _key(request, pk)
        body = KeyBody(key, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        name = body.validated_data.get("name", key.name)
        return Response(KeyBody(api_key_rename(key=key, name=name)).data)

    @extend_schema(responses={204: OpenApiResponse(description="Ended")}, summary="Revoke an API key")
    def delete(self, request: Request, pk: UUID) -> Response:
        api_key_revoke(key=_key(request, pk), actor=signed_in_user(request), request=request._request)
        return Response(status=204)


def _once(request: Request) -> None:
    """A repeated `Idempotency-Key` makes no second key. The first answer cannot be given again."""
    mark = request.headers.get("Idempotency-Key", "")
    if mark and not cache.add(f"key-made:{request.user.pk}:{api_key_digest(mark)}", "1", REPEAT_SECONDS):
        raise Conflict(
            "This Idempotency-Key was used. Its API key was shown then; revoke it and make another."
        )


def _key(request: Request, pk: UUID) -> ApiKey:
    return object_or_404(request, api_key_get(pk), kind="api_key")
