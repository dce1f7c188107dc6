"""REST endpoints of the user's sessions: list and revoke."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.common import HUMAN_ONLY, object_or_404, signed_in_user
from accounts.api.serializers import SessionBody
from accounts.models import AuthSession
from accounts.selectors import session_find, session_list
from accounts.services import session_revoke


class LastUsed(CursorPagination):
    page_size = 50
    ordering = "-last_seen_at"


class SessionList(ListAPIView[AuthSession]):
    permission_classes = HUMAN_ONLY
    serializer_class = SessionBody
    pagination_class = LastUsed

    def get_queryset(self) -> QuerySet[AuthSession]:
        if getattr(self, "swagger_fake_view", False):
            return AuthSession.objects.none()
        return session_list(user=signed_in_user(self.request))

    @extend_schema(summary="Your sessions")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class SessionDetail(APIView):
    permission_classes = HUMAN_ONLY

    @extend_schema(responses={204: OpenApiResponse(description="Revoked")}, summary="Revoke a session")
    def delete(self, request: Request, pk: UUID) -> Response:
        session = object_or_404(request, session_find(pk), kind="session")
        user = signed_in_user(request)
        session_revoke(sid=session.sid, reason="revoked", actor=user, request=request._request)
        return Response(status=204)
