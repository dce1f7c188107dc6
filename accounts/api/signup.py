"""REST endpoints of sign-up. Responses do not reveal whether an address already has an account."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.common import OpenView, throttled
from accounts.api.serializers import PendingBody, SignUpBody, VerifiedBody, VerifyBody
from accounts.services import LimitReached, SignUpInvalid, VerificationFailed, sign_up, verification_finish
from accounts.services.signup import CODE_SECONDS


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
