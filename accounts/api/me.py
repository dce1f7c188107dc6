"""REST endpoints of the signed-in user: profile, password, second factor, sessions."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth import update_session_auth_hash
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.common import HUMAN_ONLY, object_or_404, signed_in_user, throttled
from accounts.api.serializers import (
    CodeBody,
    MeBody,
    PasswordBody,
    RecoveryCodes,
    SecondFactorSetup,
    SecondFactorState,
    SessionBody,
)
from accounts.api_scopes import ScopePermission
from accounts.models import AuthSession, User
from accounts.selectors import role_of, session_find, session_list
from accounts.services import (
    LimitReached,
    PasswordRefused,
    SecondFactorRefused,
    password_change,
    second_factor_disable,
    second_factor_enable,
    second_factor_setup,
    second_factor_state,
    session_revoke,
    user_rename,
)
from accounts.step_up import StepUpRequired, request_session
from core.api import Conflict


def _session(request: Request) -> AuthSession:
    session = request_session(request)
    if session is None:
        raise PermissionDenied
    return session


class Me(APIView):
    permission_classes = (IsAuthenticated, ScopePermission)

    @extend_schema(responses=MeBody, summary="Your profile")
    def get(self, request: Request) -> Response:
        return Response(_profile(signed_in_user(request)))

    @extend_schema(request=MeBody, responses=MeBody, summary="Change your name")
    def patch(self, request: Request) -> Response:
        user = signed_in_user(request)
        body = MeBody(user, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        if "name" in body.validated_data:
            user_rename(user=user, name=body.validated_data["name"], request=request._request)
        return Response(_profile(user))


def _profile(user: User) -> dict[str, object]:
    body = dict(MeBody(user).data)
    return {**body, "role": role_of(user).value, "second_factor": second_factor_state(user=user)[0]}


class Password(APIView):
    permission_classes = HUMAN_ONLY

    @extend_schema(
        request=PasswordBody,
        responses={204: OpenApiResponse(description="Changed")},
        summary="Change your password",
        description="Revokes all other sessions and all API keys.",
    )
    def post(self, request: Request) -> Response:
        body = PasswordBody(data=request.data)
        body.is_valid(raise_exception=True)
        session = _session(request)
        try:
            password_change(session=session, **body.validated_data, request=request._request)
        except PasswordRefused as error:
            raise ValidationError({error.field: error.reasons}) from error
        except LimitReached as error:
            raise throttled(error) from error
        if session.kind == AuthSession.Kind.WEB:
            update_session_auth_hash(request._request, session.user)
        return Response(status=204)


class SecondFactor(APIView):
    permission_classes = (*HUMAN_ONLY, StepUpRequired)
    step_up_act: ClassVar[dict[str, str]] = dict.fromkeys(("POST", "PUT", "DELETE"), "second_factor.change")

    @extend_schema(responses=SecondFactorState, summary="Second factor status")
    def get(self, request: Request) -> Response:
        enabled, left = second_factor_state(user=signed_in_user(request))
        return Response({"enabled": enabled, "recovery_codes_left": left})

    @extend_schema(request=None, responses=SecondFactorSetup, summary="Start the setup: get a TOTP secret")
    def post(self, request: Request) -> Response:
        try:
            secret, url = second_factor_setup(session=_session(request))
        except SecondFactorRefused as error:
            raise Conflict(str(error)) from error
        return Response({"secret": secret, "url": url}, headers={"Cache-Control": "no-store"})

    @extend_schema(request=CodeBody, responses=RecoveryCodes, summary="Enable it with the first code")
    def put(self, request: Request) -> Response:
        body = CodeBody(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            codes = second_factor_enable(
                session=_session(request), code=body.validated_data["code"], request=request._request
            )
        except SecondFactorRefused as error:
            raise ValidationError({"code": [str(error)]}) from error
        return Response({"recovery_codes": codes}, headers={"Cache-Control": "no-store"})

    @extend_schema(responses={204: OpenApiResponse(description="Disabled")}, summary="Disable it")
    def delete(self, request: Request) -> Response:
        second_factor_disable(session=_session(request), request=request._request)
        return Response(status=204)


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
