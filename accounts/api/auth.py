"""REST endpoints of authentication: sign-up, login, token refresh and cookies, logout, step-up."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.common import HUMAN_ONLY, OpenView, signed_in_user, throttled
from accounts.api.serializers import (
    LoginBody,
    LogoutBody,
    PendingBody,
    RefreshBody,
    SignUpBody,
    StepUpBody,
    StepUpResponse,
    TokensBody,
    VerifiedBody,
    VerifyBody,
)
from accounts.authentication import INVALID_CREDENTIALS, csrf_enforce
from accounts.models import AuthSession
from accounts.services import (
    SIGNED_OUT,
    EmailUnverified,
    InvalidCredential,
    LimitReached,
    LoginRejected,
    SecondFactorMissing,
    SignUpInvalid,
    TokenPair,
    VerificationFailed,
    api_login,
    credentials_end_all,
    session_revoke,
    sign_up,
    step_up_pass,
    tokens_issue,
    tokens_refresh,
    verification_finish,
)
from accounts.services.signup import CODE_SECONDS
from accounts.services.step_up import STEP_UP_LIFETIME
from accounts.step_up import request_session

REFRESH_PATH = "/api/v1/auth/refresh"


def cookies_set(response: Response, pair: TokenPair) -> None:
    """Store both tokens in cookies."""
    _set(response, settings.ACCESS_COOKIE, pair.access, pair.access_seconds, "/")
    _set(response, settings.REFRESH_COOKIE, pair.refresh, pair.refresh_seconds, REFRESH_PATH)


def cookies_clear(response: Response) -> None:
    """Delete both cookies."""
    response.delete_cookie(settings.ACCESS_COOKIE, path="/", samesite="Strict")
    response.delete_cookie(settings.REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict")


def _set(response: Response, name: str, value: str, seconds: int, path: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


class SecondFactorRequired(AuthenticationFailed):
    default_code = "SECOND_FACTOR_REQUIRED"


class EmailNotVerified(APIException):
    status_code = 403
    default_code = "EMAIL_NOT_VERIFIED"

    def __init__(self, verification: str) -> None:
        super().__init__("Confirm your e-mail address first: a code has been mailed.")
        self.details = {"verification": verification}


class Login(OpenView):
    @extend_schema(
        request=LoginBody,
        responses=TokensBody,
        summary="Sign in",
        description="401 `SECOND_FACTOR_REQUIRED`: repeat the request with `code`. "
        "403 `EMAIL_NOT_VERIFIED`: send `details.verification` to /auth/verify with the mailed code.",
    )
    def post(self, request: Request) -> Response:
        body = LoginBody(data=request.data)
        body.is_valid(raise_exception=True)
        params = body.validated_data
        if params["cookies"]:
            _refuse_cross_origin(request._request)
        try:
            session = api_login(
                email=params["email"],
                password=params["password"],
                code=params.get("code", ""),
                request=request._request,
            )
        except LoginRejected as error:
            raise AuthenticationFailed(str(error)) from error
        except SecondFactorMissing as error:
            raise SecondFactorRequired(str(error)) from error
        except EmailUnverified as error:
            raise EmailNotVerified(error.verification) from error
        except LimitReached as error:
            raise throttled(error) from error
        return _token_response(request, tokens_issue(session=session), in_cookies=params["cookies"])


class Refresh(OpenView):
    @extend_schema(
        request=RefreshBody,
        responses=TokensBody,
        summary="Exchange a refresh token for a new pair",
        description="Each refresh token can be used once. If it is used again more than ten seconds after "
        "the first use, the session is revoked: the token has leaked to a second client.",
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
        except InvalidCredential as error:
            raise AuthenticationFailed(INVALID_CREDENTIALS) from error
        return _token_response(request, pair, in_cookies=not token)


class Logout(APIView):
    permission_classes = HUMAN_ONLY

    @extend_schema(
        request=LogoutBody, responses={204: OpenApiResponse(description="Signed out")}, summary="Sign out"
    )
    def post(self, request: Request) -> Response:
        body = LogoutBody(data=request.data)
        body.is_valid(raise_exception=True)
        user, session = signed_in_user(request), request_session(request)
        django_request = request._request
        if session is not None:
            session_revoke(sid=session.sid, reason=SIGNED_OUT, actor=user, request=django_request)
        if body.validated_data["everywhere"]:
            credentials_end_all(user=user, reason="signed out everywhere", actor=user, request=django_request)
        if session is not None and session.kind == AuthSession.Kind.WEB:
            django_request.session.flush()
        response = Response(status=204)
        cookies_clear(response)
        return response


class StepUp(APIView):
    permission_classes = HUMAN_ONLY

    @extend_schema(
        request=StepUpBody,
        responses=StepUpResponse,
        summary="Confirm your identity",
        description="Allows the actions that are answered with 403 `REAUTH_REQUIRED` for ten minutes.",
    )
    def post(self, request: Request) -> Response:
        body = StepUpBody(data=request.data)
        body.is_valid(raise_exception=True)
        session = request_session(request)
        if session is None:
            raise PermissionDenied
        credentials = {
            "password": body.validated_data.get("password", ""),
            "totp": body.validated_data.get("code", ""),
        }
        try:
            is_correct = step_up_pass(session=session, request=request._request, **credentials)
        except LimitReached as error:
            raise throttled(error) from error
        if not is_correct:
            raise PermissionDenied("Incorrect password or code.")
        return Response({"fresh_seconds": int(STEP_UP_LIFETIME.total_seconds())})


def _token_response(request: Request, pair: TokenPair, *, in_cookies: bool) -> Response:
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


def _refuse_cross_origin(request: HttpRequest) -> None:
    """Login CSRF protection: a foreign page must not sign a visitor in. API clients send no such header."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise PermissionDenied("Cookie login is only allowed from pages of this site.")


class SignUp(OpenView):
    @extend_schema(request=SignUpBody, responses={202: PendingBody}, summary="Sign up (a code is mailed)")
    def post(self, request: Request) -> Response:
        body = SignUpBody(data=request.data)
        body.is_valid(raise_exception=True)
        params = {"name": "", **body.validated_data}
        try:
            handle = sign_up(**params, request=request._request)
        except SignUpInvalid as error:
            raise ValidationError(error.errors) from error
        except LimitReached as error:
            raise throttled(error) from error
        return Response({"verification": handle, "expires_in": CODE_SECONDS}, status=202)


class Verify(OpenView):
    @extend_schema(
        request=VerifyBody, responses=VerifiedBody, summary="Confirm an e-mail address with the mailed code"
    )
    def post(self, request: Request) -> Response:
        body = VerifyBody(data=request.data)
        body.is_valid(raise_exception=True)
        params = body.validated_data
        try:
            email = verification_finish(
                handle=params["verification"], code=params["code"], request=request._request
            )
        except VerificationFailed as error:
            raise ValidationError({"code": [str(error)]}) from error
        return Response({"email": email})
