"""Ways in: sign-up, sign-in, second factor, recovery. The flows are allauth's, the answers are ours."""

from typing import Any

from allauth.account import views as allauth
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.mfa.base import views as mfa
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.services import sign_in_code_redeem
from accounts.views.base import Unprocessable, passkey_options


class SignIn(Unprocessable, allauth.LoginView):
    template_name = "account/login.html"


class SignUp(Unprocessable, allauth.SignupView):
    template_name = "account/signup.html"


@method_decorator(never_cache, name="dispatch")
class Verify(Unprocessable, allauth.ConfirmEmailVerificationCodeView):
    template_name = "account/verify.html"


verify = Verify.as_view()


@method_decorator(never_cache, name="dispatch")
class Recover(Unprocessable, allauth.PasswordResetView):
    template_name = "account/recover.html"


@method_decorator(never_cache, name="dispatch")
class RecoverCode(Unprocessable, allauth.ConfirmPasswordResetCodeView):
    template_name = "account/recover_code.html"


@method_decorator(never_cache, name="dispatch")
class NewPassword(Unprocessable, allauth.CompletePasswordResetView):
    template_name = "account/recover_password.html"

    def get_success_url(self) -> str:
        return reverse("account_login")


class SecondFactor(mfa.AuthenticateView):
    template_name = "mfa/authenticate.html"

    def form_invalid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_invalid(form)
        answer.status_code = 422
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        options = context["js_data"]["request_options"]
        known = options["publicKey"].get("allowCredentials")
        return {**context, "passkey_options": passkey_options(options) if known else ""}


class PasskeySignIn(LoginWebAuthnView):
    """GET gives a script the challenge, POST brings the passkey's answer."""


class SignOut(allauth.LogoutView):
    template_name = "account/logout.html"


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest) -> HttpResponse:
    """The page behind a one-time link. Its script posts the code that stands after the `#`."""
    if request.method == "GET":
        return render(request, "accounts/login_link.html")
    user = sign_in_code_redeem(code=request.POST.get("code", ""))
    if user is None:
        return render(request, "accounts/login_link.html", {"refused": True}, status=422)
    answer: HttpResponse = perform_login(request, Login(user=user, email=user.email))
    return answer


@never_cache
def inactive(request: HttpRequest) -> HttpResponse:
    """Where allauth sends somebody whose account is switched off."""
    messages.error(request, "This account is switched off.")
    return HttpResponseRedirect(reverse("account_login"))
