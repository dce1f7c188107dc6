"""Request and response serializers of accounts. Secrets are write-only or shown once."""

from typing import Any

from rest_framework import serializers

from accounts.domain.permissions import Role
from accounts.models import ApiKey, AuthSession, User
from accounts.services.api_keys import MAX_DAYS

Fields = dict[str, Any]
PASSWORD_CHARACTERS = 1024  # a longer one would only burden the hasher


class Secret(serializers.CharField):
    """Write-only text that keeps its whitespace."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"write_only": True, "trim_whitespace": False, "max_length": PASSWORD_CHARACTERS, **options}
        )


class Code(serializers.CharField):
    """A mailed, TOTP or recovery code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"write_only": True, "max_length": 32, **options})


# --- signing up and in ---------------------------------------------------------------------------------
class SignUpBody(serializers.Serializer[Fields]):
    email = serializers.EmailField(max_length=254)
    password = Secret()
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)


class PendingBody(serializers.Serializer[Fields]):
    """Response to a sign-up; the same whether or not the address has an account (only the mail differs)."""

    verification = serializers.CharField(help_text="Send it to /auth/verify with the code from the mail.")
    expires_in = serializers.IntegerField(help_text="Lifetime of the code in seconds.")


class VerifyBody(serializers.Serializer[Fields]):
    verification = serializers.CharField(max_length=64, write_only=True)
    code = Code()


class VerifiedBody(serializers.Serializer[Fields]):
    email = serializers.EmailField()


class LoginBody(serializers.Serializer[Fields]):
    email = serializers.CharField(max_length=254)
    password = Secret()
    code = Code(required=False, help_text="TOTP or recovery code, if a second factor is enabled.")
    cookies = serializers.BooleanField(
        required=False, default=False, help_text="For browsers: return the tokens in HttpOnly cookies."
    )


class RefreshBody(serializers.Serializer[Fields]):
    refresh = Secret(
        required=False,
        max_length=4096,
        help_text="Omitted by browsers: the token is read from the cookie; the new pair is set as cookies.",
    )


class TokensBody(serializers.Serializer[Fields]):
    """A token pair. With `cookies` both tokens are null, and every unsafe request needs `X-CSRFToken`."""

    access = serializers.CharField(allow_null=True)
    refresh = serializers.CharField(allow_null=True)
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Lifetime of the access token in seconds.")
    refresh_expires_in = serializers.IntegerField()
    csrf_token = serializers.CharField(allow_null=True)


class LogoutBody(serializers.Serializer[Fields]):
    everywhere = serializers.BooleanField(
        required=False, default=False, help_text="Also revoke all other sessions and all API keys."
    )


class StepUpBody(serializers.Serializer[Fields]):
    """Exactly one of the two fields."""

    password = Secret(required=False)
    code = Code(required=False)

    def validate(self, attrs: Fields) -> Fields:
        if len(attrs) != 1:
            raise serializers.ValidationError("Send either a password or a code.")
        return attrs


class StepUpResponse(serializers.Serializer[Fields]):
    fresh_seconds = serializers.IntegerField(help_text="Seconds for which sensitive actions are allowed.")


# --- profile, password, second factor ------------------------------------------------------------------
class MeBody(serializers.ModelSerializer[User]):
    role = serializers.ChoiceField(choices=[role.value for role in Role], read_only=True)
    second_factor = serializers.BooleanField(read_only=True)
    name = serializers.CharField(max_length=80, required=False, allow_blank=True)

    class Meta:
        model = User
        fields = ("id", "email", "name", "role", "second_factor", "date_joined")
        read_only_fields = ("id", "email", "date_joined")


class PasswordBody(serializers.Serializer[Fields]):
    current = Secret()
    new = Secret()


class SecondFactorState(serializers.Serializer[Fields]):
    enabled = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()


class SecondFactorSetup(serializers.Serializer[Fields]):
    """TOTP seed of a setup: shown once, valid for ten minutes."""

    secret = serializers.CharField(help_text="Base32, for an authenticator app.")
    url = serializers.CharField(help_text="The same secret as an otpauth:// URL.")


class CodeBody(serializers.Serializer[Fields]):
    code = Code()


class RecoveryCodes(serializers.Serializer[Fields]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), help_text="Shown once.")


# --- credentials ---------------------------------------------------------------------------------------
class SessionBody(serializers.ModelSerializer[AuthSession]):
    current = serializers.SerializerMethodField()

    class Meta:
        model = AuthSession
        fields = ("sid", "kind", "created_at", "last_seen_at", "address", "user_agent", "current")
        read_only_fields = fields

    def get_current(self, session: AuthSession) -> bool:
        return getattr(self.context["request"].auth, "sid", None) == session.sid


class KeyBody(serializers.ModelSerializer[ApiKey]):
    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiKey.Scope.choices), read_only=True
    )

    class Meta:
        model = ApiKey
        fields = (
            "id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "last_used_address",
        )  # fmt: skip
        read_only_fields = (
            "id", "hint", "created_at", "expires_at", "last_used_at", "last_used_address",
        )  # fmt: skip


class KeyCreate(serializers.Serializer[Fields]):
    name = serializers.CharField(max_length=60)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=ApiKey.Scope.choices),
        min_length=1,
        max_length=len(ApiKey.Scope.values),
    )
    days = serializers.IntegerField(
        min_value=1, max_value=MAX_DAYS, default=90, help_text="Lifetime of the key in days."
    )


class KeyCreated(KeyBody):
    """The only response that contains the key itself."""

    key = serializers.CharField(read_only=True)

    class Meta:
        model = ApiKey
        fields = (*KeyBody.Meta.fields, "key")
        read_only_fields = KeyBody.Meta.read_only_fields
