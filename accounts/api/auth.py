"""Tokens: signing in, refreshing, signing out, and the fresh proof that sensitive acts want."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.common import PERSON, OpenView, signed_in_user, throttled
from accounts.api.cookies import cookies_clear, cookies_set
from accounts.api.serializers import (
    LoginBody,
    LogoutBody,
    RefreshBody,
    StepUpAnswer,
    StepUpBody,
    TokensBody,
)
from accounts.authentication import REFUSED, csrf_enforce
from accounts.models import AuthSession
from accounts.services import (
    SIGNED_OUT,
    CredentialRefused,
    EmailUnverified,
    LimitReached,
    SecondFactorMissing,
    SignInRefused,
    TokenPair,
    credentials_end_all,
    program_sign_in,
    session_revoke,
    step_up_pass,
    tokens_issue,
    tokens_refresh,
)
from accounts.services.step_up import FRESH
from accounts.step_up import request_session


class SecondFactorRequired(AuthenticationFailed):
    default_code = "SECOND_FACTOR_REQUIRED"


class EmailNotVerified(APIException):
    status_code = 403
    default_code = "EMAIL_NOT_VERIFIED"

    def __init__(self, verification: str) -> None:
        super().__init__("Confirm your e-mail address first: a code is on its way.")
        self.details = {"verification": verification}


class Login(OpenView):
    @extend_schema(
        request=LoginBody,
        responses=TokensBody,
        summary="Sign in",
        description="401 `SECOND_FACTOR_REQUIRED`: send the same again with `code`. "
        "403 `EMAIL_NOT_VERIFIED`: `details.verification` goes to /auth/verify with the mailed code.",
    )
    def post(self, request: Request) -> Response:
        body = LoginBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        if asked["cookies"]:
            _same_origin(request._request)
        try:
            session = program_sign_in(
                email=asked["email"],
                password=asked["password"],
                code=asked.get("code", ""),
                request=request._request,
            )
        except SignInRefused as error:
            raise AuthenticationFailed(str(error)) from error
        except SecondFactorMissing as error:
            raise SecondFactorRequired(str(error)) from error
        except EmailUnverified as error:
            raise EmailNotVerified(error.verification) from error
        except LimitReached as error:
            raise throttled(error) from error
        return _answer(request, tokens_issue(session=session), in_cookies=asked["cookies"])


class Refresh(OpenView):
    @extend_schema(
        request=RefreshBody,
        responses=TokensBody,
        summary="A new pair for a refresh token",
        description="Each refresh token is good once. One that comes a second time (later than ten seconds "
        "after the first) ends the session: somebody else holds it too.",
    )
    def post(self, request: Request) -> Response:
        body = RefreshBody(data=request.data)
        body.is_valid(raise_exception=True)
        token = body.validated_data.get("refresh")
        cookie = request.COOKIES.get(settings.REFRESH_COOKIE)
        if not token and cookie:
            csrf_enforce(request)
        try:
            pair = tokens_refresh(refresh=token or cookie or "", request=request._request)
        except CredentialRefused as error:
            raise AuthenticationFailed(REFUSED) from error
        return _answer(request, pair, in_cookies=not token)


class Logout(APIView):
    permission_classes = PERSON

    @extend_schema(
        request=LogoutBody, responses={204: OpenApiResponse(description="Signed out")}, summary="Sign out"
    )
    def post(self, request: Request) -> Response:
        body = LogoutBody(data=request.data)
        body.is_valid(raise_exception=True)
        user, session = signed_in_user(request), request_session(request)
        plain = request._request
        if session is not None:
            session_revoke(sid=session.sid, reason=SIGNED_OUT, actor=user, request=plain)
        if body.validated_data["everywhere"]:
            credentials_end_all(user=user, reason="signed out everywhere", actor=user, request=plain)
        if session is not None and session.kind == AuthSession.Kind.WEB:
            plain.session.flush()
        response = Response(status=204)
        cookies_clear(response)
        return response


class StepUp(APIView):
    permission_classes = PERSON

    @extend_schema(
        request=StepUpBody,
        responses=StepUpAnswer,
        summary="Prove again that it is you",
        description="Opens the acts that answer 403 `REAUTH_REQUIRED` for ten minutes.",
    )
    def post(self, request: Request) -> Response:
        body = StepUpBody(data=request.data)
        body.is_valid(raise_exception=True)
        session = request_session(request)
        if session is None:
            raise PermissionDenied
        proof = {
            "password": body.validated_data.get("password", ""),
            "totp": body.validated_data.get("code", ""),
        }
        try:
            right = step_up_pass(session=session, request=request._request, **proof)
        except LimitReached as error:
            raise throttled(error) from error
        if not right:
            raise PermissionDenied("That is not right.")
        return Response({"fresh_seconds": int(FRESH.total_seconds())})


def _answer(request: Request, pair: TokenPair, *, in_cookies: bool) -> Response:
    body: dict[str, Any] = {
        "access": None if in_cookies else pair.access,
        "refresh": None if in_cookies else pair.refresh,
        "token_type": "Bearer",
        "expires_in": pair.access_seconds,
        "refresh_expires_in": pair.refresh_seconds,
        "csrf_token": get_token(request._request) if in_cookies else None,
    }
    response = Response(body, headers={"Cache-Control": "no-store"})
    if in_cookies:
        cookies_set(response, pair)
    return response


def _same_origin(request: HttpRequest) -> None:
    """Nobody's page may sign a visitor in as somebody else. Programs send no such header."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDenied("Cookies are for pages of this house.")
