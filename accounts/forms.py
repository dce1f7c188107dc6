"""Forms of the account pages: those of django-allauth with own texts, and own forms."""

import struct
from collections.abc import Callable
from typing import Any, ClassVar

from allauth.account import forms as allauth
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, AuthenticateWebAuthnForm, LoginWebAuthnForm
from cryptography.exceptions import InvalidSignature
from django import forms
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext_lazy as _

from accounts.audit import AuditAction, record_unrevealed
from accounts.models import ApiKey, User

PASSWORD_HELP = _("At least 8 characters; a few words are best. Common passwords are refused.")
CODE_ATTRIBUTES = {"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": "12"}


class StyledForm(forms.Form):
    """Base form: removes placeholders, applies `field_texts`, focuses the first visible field."""

    field_texts: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            for attribute, value in self.field_texts.get(name, {}).items():
                setattr(field, attribute, value)
        first = next((field for field in self.fields.values() if not field.widget.is_hidden), None)
        if first and not self.is_bound:
            first.widget.attrs["autofocus"] = True


class CodeInput(forms.TextInput):
    """Text input for a one-time code, which, like a password, is not rendered back into the page."""

    def format_value(self, value: object) -> None:
        return None


class CodeMixin(StyledForm):
    """Form with a field `code` for one-time codes: own widget and label."""

    code_label = _("Code, 6 digits")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = self.code_label
        self.fields["code"].widget = CodeInput({**self.fields["code"].widget.attrs, **CODE_ATTRIBUTES})


# --- login, sign-up, recovery --------------------------------------------------------------------
class SignInForm(StyledForm, allauth.LoginForm):
    field_texts: ClassVar = {
        "login": {"label": _("E-mail")},
        "password": {"help_text": ""},
        "remember": {"label": _("Keep me signed in on this device for 14 days")},
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username webauthn"


class SignUpForm(StyledForm, allauth.SignupForm):
    field_texts: ClassVar = {"email": {"label": _("E-mail")}, "password1": {"help_text": PASSWORD_HELP}}
    account_already_exists: bool

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponseBase | None]:
        """The new user; for an address that has an account, the same response after the same hashing work."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
            return super().try_save(request)  # type: ignore[no-any-return]
        try:
            with transaction.atomic():
                return super().try_save(request)  # type: ignore[no-any-return]
        except IntegrityError:  # a concurrent sign-up was first; the password has been hashed already
            self.account_already_exists = True
            return super().try_save(request)  # type: ignore[no-any-return]


class VerifyForm(CodeMixin, allauth.ConfirmEmailVerificationCodeForm):
    pass


class RecoverForm(StyledForm, allauth.ResetPasswordForm):
    field_texts: ClassVar = {"email": {"label": _("E-mail")}}
    users: list[User]

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Mail the code and record the request; for an address without an account only the mail differs."""
        email: str = super().save(request, **kwargs)
        subject = f"user:{self.users[0].pk}" if self.users else None
        record_unrevealed(action=AuditAction.PASSWORD_RESET_REQUESTED, subject=subject, request=request)
        return email


class RecoverCodeForm(CodeMixin, allauth.ConfirmPasswordResetCodeForm):
    pass


class NewPasswordForm(StyledForm, allauth.ResetPasswordKeyForm):
    field_texts: ClassVar = {"password1": {"label": _("New password"), "help_text": PASSWORD_HELP}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password2"]


class SecondFactorForm(CodeMixin, AuthenticateForm):
    code_label = _("Code from your authenticator, or a recovery code")


# --- passkeys ------------------------------------------------------------------------------------
# Exceptions of the WebAuthn parsers for malformed responses.
INVALID_RESPONSE = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    struct.error,
    InvalidSignature,
)


def _reject_malformed(check: Callable[[], Any]) -> Any:
    """Run `check`; a malformed WebAuthn response becomes a validation error."""
    try:
        return check()
    except INVALID_RESPONSE as error:
        raise mfa_adapter().validation_error("incorrect_code") from error


class AddPasskeyForm(StyledForm, AddWebAuthnForm):
    field_texts: ClassVar = {"name": {"label": _("Name"), "help_text": _("Identifies it in the list.")}}

    def clean(self) -> Any:
        return _reject_malformed(super().clean)


class PasskeySignInForm(LoginWebAuthnForm):
    def clean_credential(self) -> Any:
        return _reject_malformed(super().clean_credential)


class PasskeyFactorForm(AuthenticateWebAuthnForm):
    def clean_credential(self) -> Any:
        return _reject_malformed(super().clean_credential)


# --- account -------------------------------------------------------------------------------------
class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("name",)
        help_texts: ClassVar = {"name": _("Visible to you and to support.")}


class ChangeEmailForm(StyledForm, allauth.AddEmailForm):
    field_texts: ClassVar = {
        "email": {"label": _("New e-mail"), "help_text": _("A code is sent to this address.")}
    }


class ChangePasswordForm(StyledForm, allauth.ChangePasswordForm):
    field_texts: ClassVar = {
        "oldpassword": {"label": _("Current password"), "help_text": ""},
        "password1": {"label": _("New password"), "help_text": PASSWORD_HELP},
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password2"]


class EnableTotpForm(CodeMixin, ActivateTOTPForm):
    code_label = _("Code that it shows, 6 digits")


class StepUpForm(StyledForm):
    """Re-authentication with one field: the code if a second factor is enabled, else the password."""

    code = forms.CharField(
        required=False, max_length=16, label=_("Code from your authenticator"), widget=CodeInput
    )
    password = forms.CharField(
        required=False,
        strip=False,
        label=_("Password"),
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, second_factor: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password" if second_factor else "code"]
        (field,) = self.fields.values()
        field.required = True
        field.widget.attrs["autofocus"] = True
        if second_factor:
            field.widget.attrs.update(CODE_ATTRIBUTES)


class ApiKeyForm(StyledForm):
    """New API key: name, permissions, lifetime."""

    LIFETIMES: ClassVar = [(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))]

    name = forms.CharField(max_length=60, label=_("Name"), help_text=_("Where the key will be used."))
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices,
        initial=["read"],
        label=_("Permissions"),
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedChoiceField(choices=LIFETIMES, coerce=int, initial=90, label=_("Expires after"))


class DeleteForm(StyledForm):
    """Account deletion, confirmed by typing the account's e-mail address."""

    email = forms.EmailField(label=_("Type your e-mail to confirm"))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        typed: str = self.cleaned_data["email"]
        if typed.lower() != self.user.email.lower():
            raise forms.ValidationError(_("This is not the e-mail address of this account."))
        return typed
