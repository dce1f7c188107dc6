"""The forms of allauth in our words, and our own. A field shows its label above and its help below."""

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

from accounts.models import ApiKey, User

RULES_IN_WORDS = "8 characters or more; a few words are best. Well-known passwords are refused."
CODE_ATTRIBUTES = {"inputmode": "numeric", "autocomplete": "one-time-code", "maxlength": "12"}


class Plain(forms.Form):
    """Labels above instead of placeholders inside; the first field that needs the reader has the focus."""

    words: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            for attribute, value in self.words.get(name, {}).items():
                setattr(field, attribute, value)
        first = next((field for field in self.fields.values() if not field.widget.is_hidden), None)
        if first and not self.is_bound:
            first.widget.attrs["autofocus"] = True


class CodeInput(forms.TextInput):
    """A one-time code is, like a password, not sent back into the page."""

    def format_value(self, value: Any) -> None:
        return None


class CodeMixin(Plain):
    """A field `code` made for one-time codes, whose label says how many digits."""

    code_label = "Code, 6 digits"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = self.code_label
        self.fields["code"].widget = CodeInput({**self.fields["code"].widget.attrs, **CODE_ATTRIBUTES})


# --- entrance ------------------------------------------------------------------------------------
class SignInForm(Plain, allauth.LoginForm):
    words: ClassVar = {
        "login": {"label": "E-mail"},
        "password": {"help_text": ""},
        "remember": {"label": "Keep me signed in on this device for 14 days"},
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget.attrs["autocomplete"] = "username webauthn"


class SignUpForm(Plain, allauth.SignupForm):
    words: ClassVar = {"email": {"label": "E-mail"}, "password1": {"help_text": RULES_IN_WORDS}}
    account_already_exists: bool

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponseBase | None]:
        """The new user; or, for an address that has an account, the same answer after the same work."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
            return super().try_save(request)  # type: ignore[no-any-return]
        try:
            with transaction.atomic():
                return super().try_save(request)  # type: ignore[no-any-return]
        except IntegrityError:  # the other of two sign-ups at once was first; it has hashed already
            self.account_already_exists = True
            return super().try_save(request)  # type: ignore[no-any-return]


class VerifyForm(CodeMixin, allauth.ConfirmEmailVerificationCodeForm):
    pass


class RecoverForm(Plain, allauth.ResetPasswordForm):
    words: ClassVar = {"email": {"label": "E-mail"}}


class RecoverCodeForm(CodeMixin, allauth.ConfirmPasswordResetCodeForm):
    pass


class NewPasswordForm(Plain, allauth.ResetPasswordKeyForm):
    words: ClassVar = {"password1": {"label": "New password", "help_text": RULES_IN_WORDS}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password2"]


class SecondFactorForm(CodeMixin, AuthenticateForm):
    code_label = "Code from your authenticator, or a recovery code"


# --- passkeys ------------------------------------------------------------------------------------
# What the parsers underneath raise for answers that no browser gives.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error, InvalidSignature)


def _refusing_junk(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except MALFORMED as error:
        raise mfa_adapter().validation_error("incorrect_code") from error


class AddPasskeyForm(Plain, AddWebAuthnForm):
    words: ClassVar = {"name": {"label": "Name", "help_text": "So that you know it again in the list."}}

    def clean(self) -> Any:
        return _refusing_junk(super().clean)


class PasskeySignInForm(LoginWebAuthnForm):
    def clean_credential(self) -> Any:
        return _refusing_junk(super().clean_credential)


class PasskeyFactorForm(AuthenticateWebAuthnForm):
    def clean_credential(self) -> Any:
        return _refusing_junk(super().clean_credential)


# --- account -------------------------------------------------------------------------------------
class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("name",)
        help_texts: ClassVar = {"name": "Shown to you, and to support when you ask for help."}


class ChangeEmailForm(Plain, allauth.AddEmailForm):
    words: ClassVar = {"email": {"label": "New e-mail", "help_text": "A code is sent to it."}}


class ChangePasswordForm(Plain, allauth.ChangePasswordForm):
    words: ClassVar = {
        "oldpassword": {"label": "Present password", "help_text": ""},
        "password1": {"label": "New password", "help_text": RULES_IN_WORDS},
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password2"]


class EnableTotpForm(CodeMixin, ActivateTOTPForm):
    code_label = "Code that it shows, 6 digits"


class StepUpForm(Plain):
    """One proof: the code when there is a second factor, else the password."""

    code = forms.CharField(
        required=False, max_length=16, label="Code from your authenticator", widget=CodeInput
    )
    password = forms.CharField(
        required=False, strip=False, widget=forms.PasswordInput({"autocomplete": "current-password"})
    )

    def __init__(self, *args: Any, second_factor: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["password" if second_factor else "code"]
        (field,) = self.fields.values()
        field.required = True
        field.widget.attrs["autofocus"] = True
        if second_factor:
            field.widget.attrs.update(CODE_ATTRIBUTES)


class ApiKeyForm(Plain):
    """A key for a program: its name, what it may do, and for how long."""

    LIFETIMES: ClassVar = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")]

    name = forms.CharField(max_length=60, label="Name", help_text="Where it will be used.")
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices, initial=["read"], label="It may", widget=forms.CheckboxSelectMultiple
    )
    days = forms.TypedChoiceField(choices=LIFETIMES, coerce=int, initial=90, label="It ends after")


class DeleteForm(Plain):
    """Typing one's own address is what deletes an account."""

    email = forms.EmailField(label="Type your e-mail to confirm")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_email(self) -> str:
        typed: str = self.cleaned_data["email"]
        if typed.lower() != self.user.email.lower():
            raise forms.ValidationError("This is not the address of this account.")
        return typed
