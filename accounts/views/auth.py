"""Login, sign-up, second factor and recovery pages: flows of django-allauth with own templates."""

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
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.forms import SecondFactorForm
from accounts.services import login_code_redeem
from accounts.views.base import Status422Mixin, passkey_options


class SignIn(Status422Mixin, allauth.LoginView):
    template_name = "account/login.html"


class SignUp(Status422Mixin, allauth.SignupView):
    template_name = "account/signup.html"


@method_decorator(never_cache, name="dispatch")
class Verify(Status422Mixin, allauth.ConfirmEmailVerificationCodeView):
    template_name = "account/verify.html"


verify = Verify.as_view()


@method_decorator(never_cache, name="dispatch")
class Recover(Status422Mixin, allauth.PasswordResetView):
    template_name = "account/recover.html"


@method_decorator(never_cache, name="dispatch")
class RecoverCode(Status422Mixin, allauth.ConfirmPasswordResetCodeView):
    template_name = "account/recover_code.html"


@method_decorator(never_cache, name="dispatch")
class NewPassword(Status422Mixin, allauth.CompletePasswordResetView):
    template_name = "account/recover_password.html"

    def get_success_url(self) -> str:
        return reverse("account_login")


class SecondFactor(mfa.AuthenticateView):
    template_name = "mfa/authenticate.html"

    def form_invalid(self, form: SecondFactorForm) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        options = context["js_data"]["request_options"]
        passkeys = options["publicKey"].get("allowCredentials")
        return {**context, "passkey_options": passkey_options(options) if passkeys else ""}


class PasskeySignIn(LoginWebAuthnView):
    """Passkey login: GET returns the challenge to the script, POST receives the signed response."""


class SignOut(allauth.LogoutView):
    template_name = "account/logout.html"


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest) -> HttpResponse:
    """Page of a one-time login link. Its script posts the code from the URL fragment."""
    if request.method == "GET":
        return render(request, "accounts/login_link.html")
    user = login_code_redeem(code=request.POST.get("code", ""))
    if user is None:
        return render(request, "accounts/login_link.html", {"refused": True}, status=422)
    response: HttpResponse = perform_login(request, Login(user=user, email=user.email))
    return response


@never_cache
def inactive(request: HttpRequest) -> HttpResponse:
    """Target of allauth's redirect for a disabled account."""
    messages.error(request, gettext("This account is disabled."))
    return HttpResponseRedirect(reverse("account_login"))
