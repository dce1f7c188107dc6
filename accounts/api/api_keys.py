"""REST endpoints of personal API keys. They require a session: an API key cannot manage API keys."""

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

from accounts.api.common import HUMAN_ONLY, object_or_404, signed_in_user
from accounts.api.serializers import KeyBody, KeyCreate, KeyCreated
from accounts.models import ApiKey
from accounts.selectors import api_key_digest, api_key_get, api_key_list
from accounts.services import TooManyKeys, api_key_create, api_key_rename, api_key_revoke
from accounts.step_up import StepUpRequired
from core.api import Conflict

IDEMPOTENCY_SECONDS = 24 * 3600
IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="A repeated request is answered with 409 and creates no second key.",
)


class KeyPagination(CursorPagination):
    page_size = 50
    ordering = "-created_at"


class KeyList(ListAPIView[ApiKey]):
    permission_classes = (*HUMAN_ONLY, StepUpRequired)
    step_up_act: ClassVar[dict[str, str]] = {"POST": "api_key.create"}
    serializer_class = KeyBody
    pagination_class = KeyPagination

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
        description="The response contains the key; it is never shown again.",
    )
    def post(self, request: Request) -> Response:
        body = KeyCreate(data=request.data)
        body.is_valid(raise_exception=True)
        _refuse_repetition(request)
        try:
            key, secret = api_key_create(
                user=signed_in_user(request), **body.validated_data, request=request._request
            )
        except TooManyKeys as error:
            raise Conflict(str(error)) from error
        response = {**KeyBody(key).data, "key": secret}
        return Response(response, status=201, headers={"Cache-Control": "no-store"})


class KeyDetail(APIView):
    permission_classes = HUMAN_ONLY

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

    @extend_schema(responses={204: OpenApiResponse(description="Revoked")}, summary="Revoke an API key")
    def delete(self, request: Request, pk: UUID) -> Response:
        api_key_revoke(key=_key(request, pk), actor=signed_in_user(request), request=request._request)
        return Response(status=204)


def _refuse_repetition(request: Request) -> None:
    """Raise `Conflict` for a repeated `Idempotency-Key`: the first response, with the secret, is not kept."""
    key = request.headers.get("Idempotency-Key", "")
    if key and not cache.add(f"key-made:{request.user.pk}:{api_key_digest(key)}", "1", IDEMPOTENCY_SECONDS):
        raise Conflict(
            "This Idempotency-Key was already used and its API key was shown. Revoke it and create another."
        )


def _key(request: Request, pk: UUID) -> ApiKey:
    return object_or_404(request, api_key_get(pk), kind="api_key")
